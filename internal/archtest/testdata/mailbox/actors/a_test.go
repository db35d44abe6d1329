package actors

func f(c context, future future) {
	c.SetReceiveTimeout(1)
	future.Result()
	c.ReenterAfter(future)
	future.PipeTo(c)
	c.scheduler().SendRepeatedly(1)
	c.scheduler().SendOnce(c.Result)
}

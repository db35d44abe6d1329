package actors

func f(c context, future future) {
	c.SetReceiveTimeout(1)           // want: SetReceiveTimeout
	future.Result()                  // want: Result
	c.ReenterAfter(future)           // want: ReenterAfter
	future.PipeTo(c)                 // want: PipeTo
	c.scheduler().SendRepeatedly(1)  // want: SendRepeatedly
	c.scheduler().SendOnce(c.Result) // fine: once, and a field
}

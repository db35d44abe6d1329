package lifecycle

// foreignFactor is how much longer a guest of another architecture may take for what it does itself.
const foreignFactor = 3

// ForForeign is the policy for guests whose every instruction is translated from another architecture. What the user configures
// is left alone.
func (p Policy) ForForeign() Policy {
	p.GuestTimeout *= foreignFactor
	p.RefreshTimeout *= foreignFactor
	p.RungTimeouts[RungAgent] *= foreignFactor
	p.RungTimeouts[RungACPI] *= foreignFactor
	return p
}

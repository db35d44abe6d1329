package snapshot

import "context"

// For tests of package snapshot_test.
var (
	ParseCPUInfo   = parseCPUInfo
	DecodeManifest = decodeManifest
	ParseName      = func(name string) (string, string, int) { k, key, n := parseName(name); return string(k), key, n }
	ReadStrikes    = readStrikes
)

const CaptureSteps, StoreSteps = 4, 4

func (m *Manifest) Encode() []byte { return m.encode() }

// Die lets go of the lock and leaves all else, as the system does for a process that dies.
func (r *Reservation) Die() error { return r.lock.Close() }

// PublishAndDie publishes as far as so many steps lead.
func (r *Reservation) PublishAndDie(m Manifest, steps int) error {
	p := publication{r, &m, ""}
	for i, step := range p.steps() {
		if i < steps {
			if err := step(context.Background()); err != nil {
				return err
			}
		}
	}
	return r.store.locked(func() error {
		for i, step := range p.lockedSteps() {
			if CaptureSteps+i < steps {
				if err := step(); err != nil {
					return err
				}
			}
		}
		return r.lock.Close()
	})
}

// RestoreAndDie restores a packed snapshot as far as so many steps lead after the unpacking.
func (s *Store) RestoreAndDie(ctx context.Context, p Parts, steps int) error {
	sn, err := s.hold(p.Key())
	if err != nil {
		return err
	}
	missing, err := sn.look(ctx)
	if err != nil {
		return err
	}
	for _, f := range missing {
		if err := f.restore(ctx, sn.Dir, nil); err != nil {
			return err
		}
	}
	for i, step := range sn.publishRestored(missing) {
		if i < steps {
			if err := step(); err != nil {
				return err
			}
		}
	}
	return sn.Close()
}

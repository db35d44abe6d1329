package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// maxStrikes is how often a snapshot may fail to resume before it is given up. Once may be the host's fault.
const maxStrikes = 3

// SetAside takes a snapshot out of use for good, and returns where it is now. The cause is written beside its files. It
// stays held. When another process has replaced or removed it already, that is as good, and the path is "".
func (s *Store) SetAside(sn *Snapshot, cause error) (string, error) {
	path, err := s.setAside(sn, cause)
	if err != nil {
		return "", fmt.Errorf("snapshot: set %s aside: %w", sn.key, err)
	}
	return path, nil
}

func (s *Store) setAside(sn *Snapshot, cause error) (path string, err error) {
	err = s.locked(func() error {
		path, err = s.setAsideLocked(sn, cause)
		return err
	})
	return path, err
}

func (s *Store) setAsideLocked(sn *Snapshot, cause error) (string, error) {
	dir, err := s.inUse(sn.key)
	if err != nil || dir != sn.Dir {
		return "", err
	}
	if err := os.Remove(filepath.Join(s.dir, sn.key)); err != nil {
		return "", err
	}
	// From here on it is out of use, whatever happens. The cause is for people only.
	_ = os.WriteFile(filepath.Join(dir, causeName), []byte(cause.Error()+"\n"), 0o600)
	if _, held := errors.AsType[*HeldError](sn.onlyOursLocked()); held {
		return dir, syncDir(s.dir) // a VM's RAM may be in it, under the name that it has: the next sweep renames it
	}
	aside := filepath.Join(s.dir, brokenName(sn.key, time.Now()))
	if err := os.Rename(dir, aside); err != nil {
		return "", err
	}
	sn.Dir = aside
	_ = s.sweep() // older broken ones; what cannot be removed now is tried again
	return aside, syncDir(s.dir)
}

// strike is one failure to resume.
type strike struct {
	Time  time.Time `json:"time"`
	Cause string    `json:"cause"`
}

// Strike notes that a resume of the snapshot has failed. The third time in a row retires it: it is set aside.
func (s *Store) Strike(sn *Snapshot, cause error) (retired bool, err error) {
	err = s.locked(func() error {
		strikes := append(readStrikes(sn.Dir), strike{time.Now().UTC().Truncate(time.Second), cause.Error()})
		if len(strikes) >= maxStrikes {
			retired = true
			_, err := s.setAsideLocked(sn, fmt.Errorf("failed to resume %d times: %w", len(strikes), cause))
			return err
		}
		return writeStrikes(sn.Dir, strikes)
	})
	if err != nil {
		return retired, fmt.Errorf("snapshot: strike against %s: %w", sn.key, err)
	}
	return retired, nil
}

// Forgive notes that the snapshot has resumed well: earlier strikes no longer count.
func (s *Store) Forgive(sn *Snapshot) error {
	err := os.Remove(filepath.Join(sn.Dir, strikesName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("snapshot: forgive %s: %w", sn.key, err)
	}
	return nil
}

// readStrikes takes a file that cannot be read for none: a snapshot is not condemned by that.
func readStrikes(dir string) (strikes []strike) {
	text, err := os.ReadFile(filepath.Join(dir, strikesName))
	if err != nil || json.Unmarshal(text, &strikes) != nil {
		return nil
	}
	return strikes
}

func writeStrikes(dir string, strikes []strike) error {
	text, _ := json.MarshalIndent(strikes, "", "  ") // strings and times of this century cannot fail
	return renameio.WriteFile(filepath.Join(dir, strikesName), append(text, '\n'), 0o600, renameio.WithTempDir(dir))
}

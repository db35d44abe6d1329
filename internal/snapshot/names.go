package snapshot

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// kind is what an entry of the store's directory is, by its name. The word is for people.
type kind string

const (
	foreign    kind = "not ours"
	current    kind = "link"               // <key>: says which generation is in use
	generation kind = "snapshot"           // <key>.<n>
	broken     kind = "broken snapshot"    // <key>.broken-<time>
	building   kind = "unfinished capture" // .new-<key>-<n>
	stray      kind = "unfinished link"    // .link-<key>
)

const (
	storeLock    = ".lock"
	brokenTime   = "20060102-150405.000000" // UTC; names sort by age
	buildPattern = ".new-%s-*"              // for os.MkdirTemp
)

var forms = []struct {
	kind kind
	form *regexp.Regexp
}{
	{current, regexp.MustCompile(`^([0-9a-f]{20})$`)},
	{generation, regexp.MustCompile(`^([0-9a-f]{20})\.([1-9][0-9]{0,8})$`)},
	{broken, regexp.MustCompile(`^([0-9a-f]{20})\.broken-[0-9]{8}-[0-9]{6}\.[0-9]{6}$`)},
	{building, regexp.MustCompile(`^\.new-([0-9a-f]{20})-[0-9]+$`)},
	{stray, regexp.MustCompile(`^\.link-([0-9a-f]{20})$`)},
}

// parseName tells what an entry is and whose. Number is that of a generation, else 0.
func parseName(name string) (k kind, key string, number int) {
	for _, f := range forms {
		m := f.form.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		if f.kind == generation {
			number, _ = strconv.Atoi(m[2]) // nine digits at most
		}
		return f.kind, m[1], number
	}
	return foreign, "", 0
}

func generationName(key string, number int) string { return key + "." + strconv.Itoa(number) }
func strayName(key string) string                  { return ".link-" + key }
func buildName(key string) string                  { return fmt.Sprintf(buildPattern, key) }
func brokenName(key string, now time.Time) string {
	return key + ".broken-" + now.UTC().Format(brokenTime)
}

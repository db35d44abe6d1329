//go:build linux

package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// pace is the pause between two rows of an instance; after a request without an answer it is longer.
const (
	pace     = 150 * time.Millisecond
	slowPace = time.Second
)

// row is what the backend has acknowledged: a project and its keys, two rows of the database in one transaction.
type row struct {
	ID     string `json:"project_id"`
	Client string `json:"publishable_client_key"`
	Server string `json:"secret_server_key"`
}

// ledger remembers every row that was acknowledged, by the path that it was asked for with. Each request has a path of its own,
// so that one without an answer may or may not have been stored.
type ledger struct {
	mu         *sync.Mutex
	rows       map[string]row
	unanswered int
	last       error
}

func newLedger() ledger { return ledger{mu: &sync.Mutex{}, rows: map[string]row{}} }

func (l *ledger) enter(path string, r row, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.unanswered, l.last = l.unanswered+1, err
		return
	}
	l.rows[path] = r
}

func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.rows)
}

func (l *ledger) lastError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// write stores rows, one after the other, whatever becomes of the instance.
func (x *target) write(ctx context.Context) {
	pause := pace
	for n := 1; ; n++ {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		path := fmt.Sprintf("/chaos/%s/%d/stack.config.ts", x.name, n)
		r, err := x.store(path)
		x.ledger.enter(path, r, err)
		if pause = pace; err != nil {
			pause = slowPace
		}
	}
}

// loadClient is an app's: it keeps its connections.
var loadClient = &http.Client{Timeout: 20 * time.Second}

// store asks the backend for the project of a config file, which makes it. It is not cancelled by the end of the load: an
// answer that is on its way is waited for.
func (x *target) store(path string) (r row, err error) {
	urls := x.urls.Load()
	key, err := os.ReadFile(x.files.PublishedKey)
	if err != nil || urls == nil {
		return r, errors.Join(err, errors.New("no published key"))
	}
	body, err := json.Marshal(map[string]string{"absolute_file_path": path})
	if err != nil {
		return r, err
	}
	request, err := http.NewRequest(http.MethodPost, (*urls)["backend"]+"/api/v1/internal/local-emulator/project", bytes.NewReader(body))
	if err != nil {
		return r, err
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "X-Stack-Project-Id": "internal",
		"X-Stack-Access-Type": "client", "X-Stack-Publishable-Client-Key": string(key)} {
		request.Header.Set(name, value)
	}
	answer, err := loadClient.Do(request)
	if err != nil {
		return r, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return r, fmt.Errorf("status %d", answer.StatusCode)
	}
	if err := json.NewDecoder(answer.Body).Decode(&r); err != nil || r.ID == "" || r.Client == "" || r.Server == "" {
		return r, errors.Join(err, errors.New("an answer without credentials"))
	}
	return r, nil
}

// stored are the rows that the database has, by path.
func (x *target) stored() (map[string]row, error) {
	const query = `COPY (SELECT p."absoluteFilePath", p.id, k."publishableClientKey", k."secretServerKey"
		FROM "Project" p JOIN "ApiKeySet" k ON k."projectId" = p.id WHERE p."absoluteFilePath" LIKE '/chaos/%') TO STDOUT`
	out, err := x.run("exec", "--no-stdin", x.name, "--", "/usr/bin/crun", "--cgroup-manager=disabled", "exec", "stack",
		"/usr/lib/postgresql/17/bin/psql", "-h", "/run/postgresql", "-U", "stack", "-d", "stack", "-v", "ON_ERROR_STOP=1", "-c", query)
	if err != nil {
		return nil, err
	}
	all := map[string]row{}
	for line := range strings.Lines(out.stdout) {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(f) == 4 {
			all[f[0]] = row{f[1], f[2], f[3]}
		}
	}
	return all, nil
}

// nothingLost holds what was acknowledged against the database, and some of it against the backend.
func (x *target) nothingLost() {
	there, err := x.stored()
	if err != nil { // then all are lost
		x.Errorf("%s: its rows cannot be read: %v", x.name, err)
	}
	const shown = 5
	lost, samples := 0, 20
	for path, want := range x.ledger.rows { // nobody writes any more
		if there[path] != want {
			if lost++; lost <= shown {
				x.Errorf("%s: lost: %s: %+v, want %+v", x.name, path, there[path], want)
			}
		} else if samples > 0 {
			samples--
			x.answersWith(want)
		}
	}
	x.house.rows.acknowledged += len(x.ledger.rows)
	x.house.rows.lost += lost
	x.house.rows.unanswered += x.ledger.unanswered
	x.house.rows.unexpected += len(there) - (len(x.ledger.rows) - lost)
	if lost > shown {
		x.Errorf("%s: %d rows are lost", x.name, lost)
	}
}

// answersWith sees that the backend takes the keys of a row.
func (x *target) answersWith(r row) {
	request, err := http.NewRequest(http.MethodGet, (*x.urls.Load())["backend"]+"/api/v1/projects/current", nil)
	if err != nil {
		x.Fatal(err)
	}
	for name, value := range map[string]string{"X-Stack-Project-Id": r.ID, "X-Stack-Access-Type": "client", "X-Stack-Publishable-Client-Key": r.Client} {
		request.Header.Set(name, value)
	}
	answer, err := direct.Do(request)
	if err != nil {
		x.Error(err)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		x.Errorf("%s: the keys of project %s: status %d", x.name, r.ID, answer.StatusCode)
	}
}

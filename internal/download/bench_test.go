package download

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkAgainstCurl fetches a file of 1 GiB from this machine, with its digest checked, and has curl fetch it (without any
// check) in the same run. The figure to look at is the ratio of the times; less than 1 is faster than curl.
//
//	go test -run '^$' -bench AgainstCurl -benchtime 3x ./internal/download
func BenchmarkAgainstCurl(b *testing.B) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		b.Skip("there is no curl here")
	}
	const size = 1 << 30
	dir := b.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil { // zeros: they cost the disk nothing
		b.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		b.Fatal(err)
	}
	digest, _, err := CopyDigest(b.Context(), io.Discard, f, func(int64) {})
	f.Close()
	if err != nil {
		b.Fatal(err)
	}
	for name, limit := range map[string]int{"unlimited": 0, "20ms and 100MBps a connection": 100e6} {
		b.Run(name, func(b *testing.B) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if limit > 0 {
					pause(20 * time.Millisecond)
				}
				w.Header().Set("ETag", `"one"`)
				http.ServeFile(w, r, file)
			}))
			if limit > 0 {
				s.Listener = slow{s.Listener, limit}
			}
			s.Start()
			defer s.Close()
			var ours, curls time.Duration
			for b.Loop() {
				began := time.Now()
				out, err := exec.Command(curl, "-sS", "-o", filepath.Join(dir, "curl"), s.URL).CombinedOutput()
				if err != nil {
					b.Fatalf("%v: %s", err, out)
				}
				curls += time.Since(began)
				_ = os.Remove(filepath.Join(dir, "curl"))
				began = time.Now()
				opt := Options{Path: filepath.Join(dir, "part"), Size: size, Digest: digest, Locate: at(s.URL)}
				if _, err := Fetch(b.Context(), opt); err != nil {
					b.Fatal(err)
				}
				ours += time.Since(began)
				_ = Discard(opt.Path)
			}
			b.ReportMetric(float64(ours)/float64(curls), "of-curl's-time")
			b.ReportMetric(size*float64(b.N)/1e6/ours.Seconds(), "MB/s")
			b.ReportMetric(size*float64(b.N)/1e6/curls.Seconds(), "curl-MB/s")
		})
	}
}

func pause(d time.Duration) { <-time.After(d) }

// slow gives each connection so many bytes per second.
type slow struct {
	net.Listener
	limit int
}

func (l slow) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slowConn{Conn: c, limit: l.limit}, nil
}

type slowConn struct {
	net.Conn
	limit int
	owed  time.Duration
}

// Write hides the file from the kernel's shortcuts, and sleeps off what it owes.
func (c *slowConn) Write(p []byte) (int, error) {
	began := time.Now()
	n, err := c.Conn.Write(p)
	c.owed += time.Duration(float64(n)/float64(c.limit)*float64(time.Second)) - time.Since(began)
	if c.owed > 5*time.Millisecond {
		began = time.Now()
		pause(c.owed)
		c.owed -= time.Since(began)
	}
	return n, err
}

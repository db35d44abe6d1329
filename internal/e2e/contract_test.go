package e2e

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/stackemu/stackemu/internal/clitest"
)

// buildLimit is for an image on a machine that does other things, too.
const buildLimit = 20 * time.Minute

// An app of somebody else becomes an image by what docs/guest-contract.md says, and nothing else: the files of the test are the
// page's. Only docker is played, by as much of a Dockerfile as the page uses.
func TestContractPage(t *testing.T) {
	e, files := newToy(t)
	e.goBuild("toy", "main.go")
	dockerBuild(t, files["Dockerfile"], "toy.tar")
	e.buildImage("--container", "toy.tar")
	e.toyLife()
}

// The same app under Docker, with what the page says about that: a program of the image that takes the secrets.
func TestContractPageOnDocker(t *testing.T) {
	e, files := newToy(t)
	profile, _, found := strings.Cut(files["stackemu.yaml"], "    rotation:\n")
	if !found {
		t.Fatal("the page's profile has no rotation")
	}
	e.writeFile("stackemu.yaml", profile+files["rotation.yaml"])
	e.goBuild("toy", "main.go")
	e.goBuild("rotate-secrets", "rotate-secrets.go")
	dockerBuild(t, files["Dockerfile"]+files["Dockerfile.docker"], "toy.tar")
	e.buildImage("--container", "toy.tar", "--engine", "docker")
	e.toyLife()
}

// newToy is an emulator that has no image yet, and the files of the page, in the working directory.
func newToy(t *testing.T) (*emulator, map[string]string) {
	t.Helper()
	bin := os.Getenv("STACKEMU_E2E_BIN")
	if os.Getenv("STACKEMU_E2E_BUILD") == "" || bin == "" {
		t.Skip("builds an image, which takes minutes: run make e2e-build")
	}
	e := &emulator{T: t, bin: bin, home: t.TempDir(), port: map[string]int{"TOY": clitest.FreePort(t)}}
	e.env = append(os.Environ(), "STACK_EMULATOR_HOME="+e.home, fmt.Sprintf("TOY_PORT=%d", e.port["TOY"]))
	t.Chdir(t.TempDir()) // where the program finds the page's stackemu.yaml
	files := pageFiles(t, filepath.Join(pageDir, "guest-contract.md"))
	for file, text := range files {
		e.writeFile(file, text)
	}
	return e, files
}

func (e *emulator) writeFile(name, text string) {
	e.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		e.Fatal(err)
	}
}

// goBuild makes a static program of one file.
func (e *emulator) goBuild(program, source string) {
	e.Helper()
	build := exec.CommandContext(e.Context(), "go", "build", "-o", program, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		e.Fatalf("go build: %v\n%s", err, out)
	}
}

func (e *emulator) buildImage(args ...string) {
	e.Helper()
	image := clitest.Start(e, buildLimit, e.env, e.bin, append([]string{"image", "build"}, args...)...)
	if code := image.End(); code != 0 {
		e.Fatalf("image build: %d\n%s", code, image.Stderr())
	}
	e.Log(image.Stdout())
}

// toyLife starts the app in every way there is. Its data and its secret stay until the instance is reset.
func (e *emulator) toyLife() {
	e.Helper()
	c := e.up()
	key := e.toy(1)
	if logs := e.run(0, "logs", "default", "--source", "stack"); !strings.Contains(logs, "waiting for visits") {
		e.Errorf("logs: %q", logs)
	}
	e.stop(c)
	c = e.up() // from its session
	if again := e.toy(2); again != key {
		e.Errorf("another key after a stop: %q", again)
	}
	e.stop(c)
	c = e.up("EMULATOR_NO_SNAPSHOT=1") // from its disk
	if again := e.toy(3); again != key {
		e.Errorf("another key after a boot: %q", again)
	}
	e.stop(c)
	e.reset()
	c = e.up()
	if other := e.toy(1); other == key {
		e.Error("two instances have the same key")
	}
	e.stop(c)
}

// toy visits the app for the nth time, and returns its secret.
func (e *emulator) toy(n int) string {
	e.Helper()
	var page bytes.Buffer
	e.get(&page, e.url("TOY", "/"))
	found := regexp.MustCompile(`^visits=(\d+) key=([0-9a-f]{64}) user=0 greeting=hello\n$`).FindStringSubmatch(page.String())
	if found == nil || found[1] != fmt.Sprint(n) {
		e.Fatalf("visit %d: %q", n, &page)
	}
	return found[2]
}

// pageDir is where the documentation is, as seen from this package, whatever directory a test is in.
var pageDir, _ = filepath.Abs(filepath.Join("..", "..", "docs"))

// pageFiles are the files that a page shows: its code blocks that have a name.
func pageFiles(t *testing.T, page string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, block := range regexp.MustCompile("(?ms)^```[a-z]+ file=(\\S+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		files[block[1]] = block[2]
	}
	for _, file := range []string{"main.go", "Dockerfile", "stackemu.yaml", "rotate-secrets.go", "Dockerfile.docker", "rotation.yaml"} {
		if files[file] == "" {
			t.Fatalf("%s shows no %s", page, file)
		}
	}
	return files
}

// dockerBuild does what `docker build` and `docker save` do with a Dockerfile of some simple instructions.
func dockerBuild(t *testing.T, dockerfile, archive string) {
	t.Helper()
	config := v1.Config{Volumes: map[string]struct{}{}}
	var layer bytes.Buffer
	tw := tar.NewWriter(&layer)
	for line := range strings.Lines(dockerfile) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		words := strings.Fields(rest)
		switch instruction {
		case "FROM":
		case "COPY":
			data, err := os.ReadFile(words[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := tw.WriteHeader(&tar.Header{Name: strings.TrimPrefix(words[1], "/"), Mode: 0o755, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
				t.Fatal(err)
			}
			if _, err := tw.Write(data); err != nil {
				t.Fatal(err)
			}
		case "ENV":
			config.Env = append(config.Env, words...)
		case "WORKDIR":
			config.WorkingDir = rest
		case "VOLUME":
			config.Volumes[rest] = struct{}{}
		case "ENTRYPOINT":
			config.Entrypoint = strings.Split(strings.Trim(rest, `["]`), `", "`)
		default:
			t.Fatalf("the page uses %s, which this test does not know", instruction)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{Architecture: "amd64", OS: "linux", Config: config})
	if err != nil {
		t.Fatal(err)
	}
	files, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	if image, err = mutate.AppendLayers(image, files); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag("toy")
	if err != nil {
		t.Fatal(err)
	}
	if err := tarball.WriteToFile(archive, tag, image); err != nil {
		t.Fatal(err)
	}
}

package image

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/stackemu/stackemu/internal/github"
)

// Request says which image is wanted. At most one of Tag, Branch, PR, Run and File is given; none is the branch dev.
type Request struct {
	Arch   string `json:"arch"`             // amd64 or arm64
	Repo   string `json:"repo,omitempty"`   // OWNER/NAME; "" for [DefaultRepo]
	Branch string `json:"branch,omitempty"` // whose latest release
	Tag    string `json:"tag,omitempty"`    // of a release
	PR     int    `json:"pr,omitempty"`     // whose latest successful run
	Run    int64  `json:"run,omitempty"`    // id of a workflow run
	File   string `json:"file,omitempty"`   // absolute path, or URL
	Force  bool   `json:"force,omitempty"`  // also when it is there already
}

// Where images come from.
const (
	DefaultRepo   = "stack-auth/stack-auth"
	OwnRepo       = "stackemu/stackemu" // publishes the reference image
	DefaultBranch = "dev"
	Workflow      = "qemu-emulator-build.yaml"
)

// TagOf is the tag of the release that a branch has.
func TagOf(branch string) string { return "emulator-" + branch + "-latest" }

// IsEmulatorTag says whether a tag is that of an emulator's release.
func IsEmulatorTag(tag string) bool { return strings.HasPrefix(tag, "emulator-") }

// AssetName is the image's name in releases and archives.
func AssetName(arch string) string { return "stack-emulator-" + arch + ".qcow2" }

// ArtifactName is the name of the artifact of a run.
func ArtifactName(arch string) string { return "qemu-emulator-" + arch }

// Check says what is wrong with a request, in the words of the command line.
func (r Request) Check() error {
	var given []string
	for flag, is := range map[string]bool{"--branch": r.Branch != "", "--tag": r.Tag != "", "--pr": r.PR != 0, "--run": r.Run != 0, "--file": r.File != ""} {
		if is {
			given = append(given, flag)
		}
	}
	switch {
	case len(given) > 1:
		return fmt.Errorf("%s contradict each other: each of them says which image is wanted", words(given))
	case r.File != "" && r.Repo != "":
		return errors.New("--file and --repo contradict each other: a file is in no repository")
	case r.PR < 0:
		return fmt.Errorf("--pr %d: want the number of a pull request", r.PR)
	case r.Run < 0:
		return fmt.Errorf("--run %d: want the id of a workflow run", r.Run)
	case r.Arch != "amd64" && r.Arch != "arm64":
		return fmt.Errorf("--arch %q: want amd64 or arm64", r.Arch)
	case urlForm.MatchString(r.File) && !r.IsURL():
		return errors.New("--file: want a path, or a URL that begins with https:// or http:// and has a host")
	}
	if r.Repo != "" {
		if _, err := github.ParseRepo(r.Repo); err != nil {
			return fmt.Errorf("--repo: %w", err)
		}
	}
	for flag, name := range map[string]string{"--branch": r.Branch, "--tag": r.Tag} {
		if strings.ContainsAny(name, " \t\n\r\\~^:?*[") || strings.Contains(name, "..") || strings.HasPrefix(name, "/") {
			return fmt.Errorf("%s %q: no such name is possible", flag, name)
		}
	}
	return nil
}

func (r Request) repo() github.Repo {
	repo, err := github.ParseRepo(r.Repo)
	if err != nil {
		repo, _ = github.ParseRepo(DefaultRepo)
	}
	return repo
}

// urlForm is what nobody means as a path.
var urlForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// IsURL says whether the file is on a server that can be asked.
func (r Request) IsURL() bool {
	u, err := url.Parse(r.File)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

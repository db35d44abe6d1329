package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/envtext"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/status"
)

const configFileName = "config-file"

func configFileFlag() cli.Flag {
	return &cli.StringFlag{Name: configFileName, Usage: "the project of the config file `FILE`: the guest may read and change its directory, and the project's credentials are fetched"}
}

// takeConfigFile is the path of the config file, without symbolic links, and makes its directory one of the mounts: a new
// instance gets it by that.
func takeConfigFile(c *cli.Context, conf *config.Config) (string, error) {
	if !c.IsSet(configFileName) {
		return "", nil
	}
	wrong := func(err error) (string, error) { return "", &usage{fmt.Errorf("--%s: %w", configFileName, err)} }
	path, err := filepath.Abs(c.String(configFileName))
	if err == nil {
		path, err = filepath.EvalSymlinks(path) // the guest has the directory under its own name only
	}
	if err != nil {
		return wrong(err)
	}
	if info, err := os.Stat(path); err != nil {
		return wrong(err)
	} else if !info.Mode().IsRegular() {
		return wrong(fmt.Errorf("%s is not a file", path))
	}
	if mountedBy(conf.Mounts, path) {
		return path, nil
	}
	conf.Mounts = append(conf.Mounts, config.Mount{Dir: filepath.Dir(path)})
	if *conf, err = conf.FindMounts(); err != nil {
		return wrong(err)
	}
	return path, nil
}

// mountedBy says whether one of the mounts has a file in it.
func mountedBy(mounts []config.Mount, file string) bool {
	for _, m := range mounts {
		if inside, err := filepath.Rel(m.Dir, file); err == nil && filepath.IsLocal(inside) {
			return true
		}
	}
	return false
}

// credentials are a project's, in the form of the backend's answer. They are printed by `start --config-file` alone, which is
// there for that.
type credentials struct {
	ProjectID            string `json:"project_id"`
	PublishableClientKey string `json:"publishable_client_key"`
	SecretServerKey      string `json:"secret_server_key"`
}

// over puts the project in the place of the emulator's own.
func (own credentials) over(plain []envtext.Var) []envtext.Var {
	for n := range plain {
		switch plain[n].Name {
		case "STACK_PROJECT_ID":
			plain[n].Value = own.ProjectID
		case "STACK_PUBLISHABLE_CLIENT_KEY":
			plain[n].Value = own.PublishableClientKey
		}
	}
	return plain
}

const (
	projectPath = "/api/v1/internal/local-emulator/project"
	// projectTimeout is for a backend that has just been resumed, on a slow machine.
	projectTimeout = 30 * time.Second
	// maxProject bounds its answer, in bytes.
	maxProject = 64 << 10
)

// fetchCredentials asks the backend for the credentials of the project of a config file, which is made if there is none.
// Errors have nothing of the answer in them: it may have a secret.
func fetchCredentials(ctx context.Context, s status.Status, files home.Instance, file string) (own credentials, err error) {
	backend, ok := s.Service(profile.Backend)
	if !ok {
		return own, errors.New("the image has no backend to ask")
	}
	key, err := os.ReadFile(files.PublishedKey)
	if err != nil {
		return own, fmt.Errorf("the publishable key is not there: %w; `stackemu restart %s` makes a new one", err, files.Name)
	}
	return askProject(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(backend.Port)), strings.TrimSpace(string(key)), file)
}

func askProject(ctx context.Context, address, key, file string) (own credentials, err error) {
	body, err := json.Marshal(map[string]string{"absolute_file_path": file})
	if err != nil {
		return own, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, projectTimeout, fmt.Errorf("the backend does not answer within %v", projectTimeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+projectPath, bytes.NewReader(body))
	if err != nil {
		return own, err
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "X-Stack-Project-Id": internalProject,
		"X-Stack-Access-Type": "client", "X-Stack-Publishable-Client-Key": key} {
		request.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, // and no proxy
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return own, cause
	}
	if err != nil {
		return own, err
	}
	defer response.Body.Close()
	return readProject(response)
}

func readProject(response *http.Response) (own credentials, err error) {
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return own, fmt.Errorf("the backend refuses the published key (status %d); `stackemu restart` makes a new one", response.StatusCode)
	case http.StatusNotFound:
		return own, errors.New("the backend of this image does not know config files (status 404); `stackemu pull` fetches a newer one")
	default:
		return own, fmt.Errorf("the backend answers with status %d; `stackemu logs --source serial` may say why", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxProject))
	if err != nil {
		return own, err
	}
	if json.Unmarshal(text, &own) != nil || !sound(own.ProjectID) || !sound(own.PublishableClientKey) || !sound(own.SecretServerKey) {
		return credentials{}, errors.New("the backend's answer is not that of a project")
	}
	return own, nil
}

// sound says whether a value can be an environment variable's.
func sound(value string) bool { return value != "" && !strings.ContainsRune(value, 0) }

// Package ociimage is the part of an OCI image configuration that a runtime needs.
//
// The JSON is that of the OCI image specification, so the configuration of any image, written out as it is, can be read.
package ociimage

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
)

// Image is an image configuration.
type Image struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Config       Config `json:"config"`
}

// Config says how the container of an image is run.
type Config struct {
	User       string              `json:"User,omitempty"` // "", "name", "uid", each with ":group" or without
	Env        []string            `json:"Env,omitempty"`  // KEY=value
	Entrypoint []string            `json:"Entrypoint,omitempty"`
	Cmd        []string            `json:"Cmd,omitempty"`
	Volumes    map[string]struct{} `json:"Volumes,omitempty"` // absolute paths whose content outlives the container
	WorkingDir string              `json:"WorkingDir,omitempty"`
}

// Args returns the command line of the container's first process.
func (c Config) Args() []string {
	return append(append([]string(nil), c.Entrypoint...), c.Cmd...)
}

// Check says whether a container can be run from the image.
func (i Image) Check() error {
	if len(i.Config.Args()) == 0 {
		return errors.New("image: it has neither entrypoint nor command")
	}
	if dir := i.Config.WorkingDir; dir != "" && !path.IsAbs(dir) {
		return fmt.Errorf("image: working directory %q is not absolute", dir)
	}
	for volume := range i.Config.Volumes {
		if !path.IsAbs(volume) || path.Clean(volume) != volume || volume == "/" {
			return fmt.Errorf("image: volume %q is not a clean absolute path below /", volume)
		}
	}
	return nil
}

// Read reads and checks the image configuration at file.
func Read(file string) (Image, error) {
	var image Image
	data, err := os.ReadFile(file)
	if err != nil {
		return image, fmt.Errorf("image: %w", err)
	}
	if err := json.Unmarshal(data, &image); err != nil {
		return image, fmt.Errorf("image: %s: %w", file, err)
	}
	return image, image.Check()
}

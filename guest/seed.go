package guest

import (
	"embed"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/stackemu/stackemu/internal/iso"
)

// seed holds what the first boot reads: cloud-init's user-data and the script that it runs.
//
//go:embed seed
var seed embed.FS

// metaData is cloud-init's: an instance id is all that it must have.
const metaData = "instance-id: stack-emulator-build\nlocal-hostname: stack-emulator\n"

// seedDisks are the three disks of the first boot. Each takes the place that it has in every later boot.
type seedDisks struct{ Seed, Bundle, Config string }

// writeSeedDisks writes them into dir. The bundle asks for placeholder secrets, which are what rotation replaces.
func writeSeedDisks(dir, arch string, remove []string) (seedDisks, error) {
	userData, err := renderUserData(remove)
	if err != nil {
		return seedDisks{}, err
	}
	disks := seedDisks{filepath.Join(dir, "seed.iso"), filepath.Join(dir, "bundle.iso"), filepath.Join(dir, "config.iso")}
	for _, d := range []struct {
		path, label string
		files       map[string][]byte
	}{
		{disks.Seed, "cidata", map[string][]byte{"user-data": userData, "meta-data": []byte(metaData)}},
		{disks.Bundle, "STACKBUNDLE", map[string][]byte{
			"build.env":      []byte("STACK_EMULATOR_BUILD_SNAPSHOT=1\n"),
			"build-arch.env": fmt.Appendf(nil, "STACK_EMULATOR_BUILD_ARCH=%s\n", arch),
		}},
		{disks.Config, "STACKCFG", map[string][]byte{
			"runtime.env": []byte(buildRuntimeEnv), "base.env": []byte("# Nothing beyond the image's own settings.\n"),
		}},
	} {
		if err := iso.Write(d.path, d.label, d.files); err != nil {
			return seedDisks{}, err
		}
	}
	return disks, nil
}

// buildRuntimeEnv is the runtime configuration of the first boot: the ports are the defaults, nothing is mounted.
const buildRuntimeEnv = `STACK_EMULATOR_PORT_PREFIX=81
STACK_EMULATOR_DASHBOARD_HOST_PORT=26700
STACK_EMULATOR_BACKEND_HOST_PORT=26701
STACK_EMULATOR_MINIO_HOST_PORT=26702
STACK_EMULATOR_INBUCKET_HOST_PORT=26703
STACK_EMULATOR_VM_DIR_HOST=
`

// renderUserData puts the script into cloud-init's user-data, and the packages that only the build needs into the script.
func renderUserData(remove []string) ([]byte, error) {
	script, err := seed.ReadFile("seed/provision.sh")
	if err != nil {
		return nil, err
	}
	userData, err := seed.ReadFile("seed/user-data")
	if err != nil {
		return nil, err
	}
	filled := strings.ReplaceAll(string(script), "@REMOVE@", strings.Join(remove, " "))
	encoded := base64.StdEncoding.EncodeToString([]byte(filled))
	return []byte(strings.Replace(string(userData), "@PROVISION@", encoded, 1)), nil
}

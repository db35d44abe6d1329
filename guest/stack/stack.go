// Package stack is the content of the reference stack's container: which Debian packages its root is made of, the files
// that are laid over them, and how it is run. It does nothing by itself; the image builder puts the parts together.
package stack

import (
	"embed"
	"io/fs"

	"github.com/stackemu/stackemu/guest/tools/ociimage"
)

// embedded holds the tree below files/, which mirrors the container's root. "all:" keeps names that begin with "." or "_".
//
//go:embed all:files
var embedded embed.FS

// Files is the tree that is copied to "/" of the container's root, over the packages.
var Files = mustSub(embedded, "files")

// mustSub cannot fail for a directory that the compiler has embedded.
func mustSub(tree fs.FS, dir string) fs.FS {
	sub, err := fs.Sub(tree, dir)
	if err != nil {
		panic(err)
	}
	return sub
}

// Suite is the Debian release of the container.
const Suite = "trixie"

// Packages are the Debian packages of the container's root, besides a minimal base. Recommended packages are not wanted.
var Packages = []string{"postgresql-17", "nodejs", "node-pg", "supervisor"}

// Preseed are files that must be in the root before the packages are configured, by path. Without the first, the package
// of PostgreSQL makes a database of its own, which nobody would use.
var Preseed = map[string]string{
	"etc/postgresql-common/createcluster.conf": "create_main_cluster = false\n",
}

// Excludes are paths that dpkg need not unpack (its path-exclude): documentation, and what only PostgreSQL's JIT compiler
// uses, which the settings turn off.
var Excludes = []string{
	"/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*",
	"/usr/share/i18n/*", "/usr/share/bash-completion/*",
	"/usr/lib/postgresql/*/lib/bitcode/*", "/usr/lib/postgresql/*/lib/llvmjit*",
	"/usr/lib/*/libLLVM*", "/usr/lib/*/libz3.so*",
}

// Remove are paths (patterns of path/filepath.Match, relative to the root) to delete after the packages are configured:
// what only package scripts needed. Perl itself stays as perl-base.
var Remove = []string{
	"var/cache/apt/*", "var/lib/apt/lists/*", "var/cache/debconf/*", "var/log/*.log", "var/log/apt",
	"usr/share/perl/*", "usr/lib/*/perl/*", "usr/share/postgresql-common", "usr/lib/*/gconv", "usr/include",
	"var/lib/postgresql/*", "etc/postgresql/*",
}

// Mode returns the mode of a file or directory of [Files]. Owner and group are root.
func Mode(entry fs.DirEntry) fs.FileMode {
	if entry.IsDir() {
		return 0o755
	}
	return 0o644
}

// Binary is where stackguest belongs in the root, mode 0755. The programs of supervisord are its commands.
const Binary = "usr/local/bin/stackguest"

// Volumes are the directories of the container whose content outlives it.
var Volumes = []string{"/var/lib/postgresql", "/var/lib/stack-storage", "/var/lib/stack-mail", "/var/lib/stack-oauth"}

// readyURLs are what has to answer before the stack is ready (docs/guest-contract.md).
const readyURLs = "http://127.0.0.1:<prefix>02/health?db=1 http://127.0.0.1:<prefix>01/handler/sign-in " +
	"http://127.0.0.1:9090/minio/health/live http://127.0.0.1:9001/ http://127.0.0.1:<prefix>14/jwks"

// ImageConfig returns the OCI image configuration of the container for an architecture in Go's spelling.
func ImageConfig(arch string) ociimage.Image {
	volumes := map[string]struct{}{}
	for _, path := range Volumes {
		volumes[path] = struct{}{}
	}
	return ociimage.Image{
		Architecture: arch,
		OS:           "linux",
		Config: ociimage.Config{
			Entrypoint: []string{"/usr/bin/python3", "-I", "-S", "/usr/local/lib/stack/supervisord.py", "-c", "/etc/supervisor/supervisord.conf"},
			Env: []string{
				"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
				"LANG=C.UTF-8",
				"NODE_ENV=production",
				"NODE_PATH=/usr/share/nodejs",
				"STACK_READY_URLS=" + readyURLs,
			},
			WorkingDir: "/app",
			Volumes:    volumes,
		},
	}
}

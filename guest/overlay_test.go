package guest

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestRootWriter(t *testing.T) {
	var in bytes.Buffer
	source := tar.NewWriter(&in)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "usr/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "usr/a", Mode: 0o4755, Uid: 7, Gid: 8, Uname: "x", Size: 3},
		{Typeflag: tar.TypeLink, Name: "usr/b", Linkname: "usr/a"},
		{Typeflag: tar.TypeSymlink, Name: "usr/c", Linkname: "../outside"},
		{Typeflag: tar.TypeChar, Name: "dev/null", Mode: 0o666},
		{Typeflag: tar.TypeReg, Name: "./dropped", Size: 3},
	} {
		writeTar(t, source, h)
	}
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	in.WriteString(strings.Repeat("\x00", 4096)) // padding behind the end, as tar writes it

	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	root := newRootWriter(tw, "/srv/c")
	err := root.copyFrom(&in, func(h *tar.Header, _ io.Reader) (bool, error) {
		return !isDevice(h) && h.Name != "./dropped", nil
	})
	if err != nil || in.Len() != 0 {
		t.Fatalf("%v, %d bytes not read", err, in.Len())
	}
	err = root.add(entry{Path: "/usr/d", Mode: 0o600, Data: []byte("d")}, entry{Path: "/new/dir/e", Link: "../f"},
		entry{Path: "/new/g", Mode: fs.ModeDir | 0o700}, entry{Path: "/new/g/h", Mode: 0o644})
	if err = errors.Join(err, tw.Close()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"755 ./srv/c/", "755 ./srv/c/usr/", "4755 ./srv/c/usr/a 7:8 abc", "0 ./srv/c/usr/b = ./srv/c/usr/a",
		"0 ./srv/c/usr/c -> ../outside", "600 ./srv/c/usr/d 0:0 d", "755 ./srv/c/new/", "755 ./srv/c/new/dir/",
		"777 ./srv/c/new/dir/e -> ../f", "700 ./srv/c/new/g", "644 ./srv/c/new/g/h 0:0 ",
	}
	if got := listTar(t, &out); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEntriesOf(t *testing.T) {
	tree := fstest.MapFS{"base/etc/b": {Data: []byte("2")}, "base/a": {Data: []byte("1")}, "other": {}}
	got, err := entriesOf(tree, "base", func(d fs.DirEntry) fs.FileMode { return 0o640 })
	if err != nil || len(got) != 2 || got[0].Path != "/a" || got[1].Path != "/etc/b" || string(got[1].Data) != "2" || got[0].Mode != 0o640 {
		t.Errorf("%+v, %v", got, err)
	}
}

// writeTar writes one entry; a regular file holds "abc".
func writeTar(t *testing.T, tw *tar.Writer, h tar.Header) {
	t.Helper()
	err := tw.WriteHeader(&h)
	if h.Typeflag == tar.TypeReg {
		_, werr := io.WriteString(tw, "abc"[:h.Size])
		err = errors.Join(err, werr)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// listTar describes each entry in a line.
func listTar(t *testing.T, r io.Reader) []string {
	t.Helper()
	var list []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%o %s", h.Mode, h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			data, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			line += fmt.Sprintf(" %d:%d %s", h.Uid, h.Gid, data)
		case tar.TypeLink:
			line += " = " + h.Linkname
		case tar.TypeSymlink:
			line += " -> " + h.Linkname
		}
		list = append(list, line)
	}
}

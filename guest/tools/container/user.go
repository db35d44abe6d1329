package container

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// lookUpUser turns the User of an image ("", "name", "uid", each with ":group") into numbers, by the user and group files
// of the image's root.
func lookUpUser(root, name string) (specs.User, error) {
	var user specs.User
	if name == "" {
		return user, nil
	}
	account, group, hasGroup := strings.Cut(name, ":")
	line, err := accountLine(root, "etc/passwd", account, 4)
	switch {
	case err == nil:
		user.UID, user.GID = number(line[2]), number(line[3])
	case isNumber(account):
		user.UID = number(account)
	default:
		return user, fmt.Errorf("user %q: %w", account, err)
	}
	if !hasGroup {
		return user, nil
	}
	line, err = accountLine(root, "etc/group", group, 3)
	switch {
	case err == nil:
		user.GID = number(line[2])
	case isNumber(group):
		user.GID = number(group)
	default:
		return user, fmt.Errorf("group %q: %w", group, err)
	}
	return user, nil
}

// accountLine returns the fields of the line whose name or number (third field) is key. The file is opened inside root,
// wherever its links point.
func accountLine(root, path, key string, fields int) ([]string, error) {
	file, err := os.OpenInRoot(root, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := strings.Split(lines.Text(), ":")
		if len(line) >= fields && (line[0] == key || line[2] == key) {
			return line, nil
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("not in %s", path)
}

func isNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 32)
	return err == nil
}

// number reads a field that isNumber has accepted or that stands in a user file; a damaged file gives 0xffffffff, nobody.
func number(text string) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return ^uint32(0)
	}
	return uint32(n)
}

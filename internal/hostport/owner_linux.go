package hostport

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// hidden is for systems where a bind does not tell all; on Linux it does.
func hidden(int) bool { return false }

// findOwner asks the kernel which socket listens at the port, and then each process that this user may look into
// whether it has that socket.
func findOwner(port int) Owner {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(table)
		if err != nil {
			continue
		}
		socket, found := findListener(file, port)
		_ = file.Close()
		if found {
			return ownerOf(socket)
		}
	}
	return Owner{}
}

// listener is a row of the kernel's table of TCP sockets.
type listener struct {
	uid   string
	inode string
}

// findListener reads a table in the form of proc(5), /proc/net/tcp: the columns are sl, local address, remote address,
// state, queues, timer, retransmits, uid, timeout, inode.
func findListener(table io.Reader, port int) (listener, bool) {
	const stateListen = "0A"
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		column := strings.Fields(lines.Text())
		if len(column) < 10 || column[3] != stateListen {
			continue
		}
		address, ok := parseAddress(column[1])
		if ok && int(address.Port()) == port && isLocalhost(address.Addr()) {
			return listener{uid: column[7], inode: column[9]}, true
		}
	}
	return listener{}, false
}

// isLocalhost is whether a socket at this address answers for 127.0.0.1 or ::1, or stands in the way of one there.
func isLocalhost(address netip.Addr) bool {
	address = address.Unmap()
	return address.IsUnspecified() || address == netip.MustParseAddr(loopback4) || address == netip.MustParseAddr(loopback6)
}

// parseAddress reads "0100007F:684C": the address as 32-bit words in the byte order of the machine (little endian on
// all that we run on), the port as a number.
func parseAddress(text string) (netip.AddrPort, bool) {
	words, portText, _ := strings.Cut(text, ":")
	port, err := strconv.ParseUint(portText, 16, 16)
	if err != nil || len(words) != 8 && len(words) != 32 {
		return netip.AddrPort{}, false
	}
	var bytes []byte
	for word := range slices.Chunk([]byte(words), 8) {
		n, err := strconv.ParseUint(string(word), 16, 32)
		if err != nil {
			return netip.AddrPort{}, false
		}
		bytes = append(bytes, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	}
	address, ok := netip.AddrFromSlice(bytes)
	return netip.AddrPortFrom(address, uint16(port)), ok
}

func ownerOf(socket listener) Owner {
	owner := Owner{User: userName(socket.uid)}
	want := "socket:[" + socket.inode + "]"
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*") // skips the folders that this user may not read
	for _, file := range files {
		if target, err := os.Readlink(file); err != nil || target != want {
			continue
		}
		process := filepath.Dir(filepath.Dir(file))
		if pid, err := strconv.Atoi(filepath.Base(process)); err == nil {
			owner.PID, owner.Command = pid, command(process)
			return owner
		}
	}
	return owner
}

// command is the name of the program of a process. The kernel's own short name ends after 15 bytes, so the first
// argument goes before it, if there is one.
func command(process string) string {
	line, _ := os.ReadFile(filepath.Join(process, "cmdline"))
	program, _, _ := strings.Cut(string(line), "\x00")
	program, _, _ = strings.Cut(program, " ") // some servers write a whole sentence there
	if program = strings.TrimSuffix(filepath.Base(program), ":"); program != "." && program != "/" {
		return printable(program)
	}
	short, _ := os.ReadFile(filepath.Join(process, "comm"))
	return printable(strings.TrimSpace(string(short)))
}

// printable keeps another process from writing control codes to our terminal through its name.
func printable(name string) string {
	quoted := strconv.Quote(name)
	return quoted[1 : len(quoted)-1]
}

func userName(uid string) string {
	if account, err := user.LookupId(uid); err == nil {
		return account.Username
	}
	return fmt.Sprintf("with id %s", uid)
}

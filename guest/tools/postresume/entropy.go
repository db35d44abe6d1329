package postresume

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// addEntropy credits bytes to the kernel's random pool and makes the generator take its next key from the pool (random(4)).
// Without the second step, two guests that left one snapshot would give the same numbers for up to a minute.
func addEntropy(device string, bytes []byte) (err error) {
	pool, err := os.OpenFile(device, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	// struct rand_pool_info: the credit in bits, the size in bytes, the bytes.
	info := binary.NativeEndian.AppendUint32(nil, uint32(8*len(bytes)))
	info = binary.NativeEndian.AppendUint32(info, uint32(len(bytes)))
	info = append(info, bytes...)
	if err := ioctl(pool, unix.RNDADDENTROPY, unsafe.Pointer(&info[0])); err != nil {
		return fmt.Errorf("RNDADDENTROPY: %w", err)
	}
	// ENODATA: the generator of a guest that is just booting has no key yet. Its first one comes from the pool anyway.
	if err := ioctl(pool, unix.RNDRESEEDCRNG, nil); err != nil && !errors.Is(err, unix.ENODATA) {
		return fmt.Errorf("RNDRESEEDCRNG: %w", err)
	}
	return nil
}

func ioctl(file *os.File, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}

package snapshot

import "os"

func hostCPU() (string, error) {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	return parseCPUInfo(text)
}

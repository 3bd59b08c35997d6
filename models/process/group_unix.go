//go:build unix && !linux

package process

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup lets the process lead a group, so that its children end with it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends a process and its children. One that was waited for is left
// alone: its number may belong to another by now.
func killGroup(p *os.Process) {
	if p.Signal(syscall.Signal(0)) == nil {
		_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
	}
}

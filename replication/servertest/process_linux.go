package servertest

import "syscall"

// procAttr makes the kernel kill the server when the test's process dies, so that a
// killed test leaves no server.
func procAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

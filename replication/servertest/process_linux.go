package servertest

import "syscall"

// procAttr makes the kernel kill the server when the test process dies, so
// that a test that is killed leaves none behind.
func procAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

//go:build !linux

package rehearsal

// endAll can find what a hook left running on Linux only; elsewhere the application of the last deployment stays.
func endAll(string) error { return nil }

func lives(string) bool { return true }

func alive(int) bool { return false }

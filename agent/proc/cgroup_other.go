//go:build !linux

package proc

// CgroupOf gives "": only Linux has cgroups.
func CgroupOf(int) string { return "" }

// OwnCgroup gives "": only Linux has cgroups.
func OwnCgroup() string { return "" }

// Package test holds the tests of what is packaged, on a real systemd: each scenario is a script, run as root in a
// throw-away Debian (with-systemd.sh) that has the binary and the unit where the package puts them, or the package itself.
//
// They need root and Debian, and skip elsewhere, saying so; where CI is set, that is a failure.
package test

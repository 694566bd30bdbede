package test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// Two builds of one tree, the second the newer, as packaging/version.sh would call them.
const oldVersion, newVersion = "0.1.0~dev.9+g0000009", "0.1.0~dev.10+g0000010"

// packages builds both versions' packages, for amd64, once.
var packages = sync.OnceValues(func() (dir string, err error) {
	for _, v := range []string{oldVersion, newVersion} {
		if err := buildPackages(filepath.Join(os.Getenv(toolsEnv), v), v, "TZ=Europe/Berlin"); err != nil {
			return "", err
		}
	}
	return os.Getenv(toolsEnv), nil
})

func buildPackages(dist, version string, env ...string) error {
	cmd := exec.Command("packaging/package.sh")
	cmd.Dir, cmd.Env = root, append(os.Environ(), append(env, "DIST="+dist, "VERSION="+version, "ARCHES=amd64")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("package.sh: %w\n%s", err, out)
	}
	return nil
}

// packaged is a machine that has the packages as /p/old and /p/new (.deb, .rpm), and a few things for the scripts.
func packaged(t *testing.T) machine {
	t.Helper()
	need(t)
	dir, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	m := machine{bare: true, binds: []string{held(t) + ":/guard:ro", "testdata/lib.sh:/lib.sh:ro"}}
	for name, v := range map[string]string{"old": oldVersion, "new": newVersion} {
		m.binds = append(m.binds, fmt.Sprintf("%s/%s/codedeploy-wingman_%s_amd64.deb:/p/%s.deb:ro", dir, v, v, name),
			fmt.Sprintf("%s/%s/codedeploy-wingman-%s-1.x86_64.rpm:/p/%s.rpm:ro", dir, v, v, name))
	}
	return m
}

// held makes the state folder of a host that has begun a guard and not given it back.
func held(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	g := journal.Guard{Deployment: lifecycle.Deployment{ID: "d-HELD00001"}, ScalingGroup: "web", Instance: "i-1", Begun: time.Now(), Until: time.Now().Add(time.Hour)}
	if err := journal.New(dir).Intend(g); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A life of the package: installed, upgraded and downgraded in mid-event, removed in mid-event, back again, and gone.
func TestDeb(t *testing.T) {
	t.Parallel()
	out := packaged(t).ok(t, `. /lib.sh
install() { dpkg -i "$1" >/tmp/said 2>&1; grep -v '^(Reading\|^Selecting\|^Preparing\|^Unpacking\|^Setting up\|^dpkg: warning: downgrading\|^Removing' /tmp/said || :; }
remove() { dpkg -r codedeploy-wingman >/tmp/said 2>&1; }
life deb
echo "== purge"
mkdir -p /var/lib/wingman/users/1000; cp -r /guard/guards /var/lib/wingman/users/1000/; touch /etc/wingman/disabled
dpkg -P codedeploy-wingman 2>&1 | grep -A1 'STILL BE HELD'
left`)
	wantLife(t, out, `== purge
codedeploy-wingman: AUTO SCALING MAY STILL BE HELD. This host's records of it go with this purge:
  of web for d-HELD00001
== left
/var/log/dpkg.log
`)
}

// The same for rpm, which has no purge: what a removal leaves is what it says that it leaves.
func TestRpm(t *testing.T) {
	t.Parallel()
	m := packaged(t)
	m.packages = "rpm"
	out := m.ok(t, `. /lib.sh
install() { rpm -U --oldpackage --nodeps "$1" >/tmp/said 2>&1; grep -v '^rpm: ' /tmp/said || :; } # nodeps: Debian's rpm does not know who has /bin/sh; and it says each time what it thinks of itself
remove() { rpm -e codedeploy-wingman >/tmp/said 2>&1; }
life rpm
rm -r /var/lib/wingman /var/log/wingman /run/wingman /etc/wingman /root/.rpmdb
left`)
	wantLife(t, out, `== left
/usr/share/fish
/usr/share/fish/vendor_completions.d
/usr/share/licenses
/usr/share/zsh/site-functions
`) // the last four are other packages' there, where those packages are
}

func wantLife(t *testing.T, out, end string) {
	t.Helper()
	want := strings.NewReplacer("OLD", oldVersion, "NEW", newVersion).Replace(`== install
enabled active wingman OLD
wingman:x::
666 root
== upgrade in mid-event
active wingman NEW
edited
begin
end
exit 0
== downgrade in mid-event
active wingman OLD
begin
end
exit 0
a newer record is as it was
== disabled
disabled inactive
== remove in mid-event
codedeploy-wingman: AUTO SCALING IS STILL HELD, as far as this host knows, and it will not give back any more:
of web for d-HELD00001: intended
inactive not-found
begin
end
held
exit 0
kept: settings state logs
/tmp/held
== reinstall
enabled active wingman NEW
edited
== removed
kept: settings state logs
`) + end
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// In a chroot, as images are built in, all is quiet; the service comes with the first boot.
func TestPackageInAChroot(t *testing.T) {
	t.Parallel()
	m := packaged(t)
	m.after = []string{"systemctl is-enabled wingman; systemctl is-active wingman; wingman version | cut -d' ' -f1,2; ls -A /run/wingman"}
	out := m.ok(t, `mkdir /c; mount --bind / /c; mkdir -p /c/p; cp /p/new.deb /c/root/; ls -A /c/proc /c/run/systemd/system 2>&1 || :
chroot /c dpkg -i /root/new.deb 2>&1 | grep -v '^(Reading\|^Selecting\|^Preparing\|^Unpacking\|^Setting up' || :
umount /c; systemctl is-active wingman || :; getent group wingman | cut -d: -f1`)
	if want := "ls: cannot access '/c/run/systemd/system': No such file or directory\n/c/proc:\ninactive\nwingman\nenabled\nactive\nwingman " + newVersion + "\nlive\nwingman.sock\n"; out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// Where somebody masked the service, or put a unit of their own, that holds, and it is said.
func TestPackageWhereTheUnitIsMaskedOrAnothers(t *testing.T) {
	t.Parallel()
	out := packaged(t).ok(t, `systemctl mask --quiet wingman.service 2>/dev/null
dpkg -i /p/old.deb >/dev/null; systemctl is-active wingman || :
rm /etc/systemd/system/wingman.service
cp /lib/systemd/system/wingman.service /etc/systemd/system/
dpkg -i /p/new.deb 2>&1 | grep -o 'takes the place of this package.s unit'`)
	if want := "inactive\ntakes the place of this package's unit\n"; out != want {
		t.Errorf("got\n%s", out)
	}
}

// A user's first boot: user data with the package as a file, twice; then SSM's Distributor comes with another version.
func TestUserDataAndDistributor(t *testing.T) {
	t.Parallel()
	m := packaged(t)
	dir, _ := packages()
	dist := filepath.Join(dir, newVersion)
	zipped := unpack(t, filepath.Join(dist, distributed(t, dist)["debian"]))
	m.binds = append(m.binds, "../image/user-data.sh:/user-data.sh:ro", zipped+":/ssm:ro")
	sum := sumOf(t, filepath.Join(dir, oldVersion, "codedeploy-wingman_"+oldVersion+"_amd64.deb"))
	out := m.ok(t, `export PACKAGE=/p/old.deb SHA256=`+sum+`
for i in 1 2; do sh /user-data.sh >/tmp/out 2>/dev/null; tail -1 /tmp/out; done
SHA256=0000000000000000000000000000000000000000000000000000000000000000 sh /user-data.sh 2>&1 || echo refused
cd /ssm
for s in install.sh update.sh uninstall.sh install.sh uninstall.sh uninstall.sh; do sh $s >/tmp/out 2>/dev/null; echo "$s $(wingman version 2>/dev/null | cut -d' ' -f2) $(systemctl is-active wingman)"; done
ls /etc/wingman`)
	want := strings.ReplaceAll(`running
running
sha256sum: WARNING: 1 computed checksum did NOT match
wingman: /p/old.deb is not the file that SHA256 names
refused
install.sh NEW active
update.sh NEW active
uninstall.sh  inactive
install.sh NEW active
uninstall.sh  inactive
uninstall.sh  inactive
environment
host.yml
`, "NEW", newVersion)
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// Distributor's "uninstall and reinstall" keeps settings, by rpm too, which would set them aside.
func TestDistributorByRpm(t *testing.T) {
	t.Parallel()
	m := packaged(t)
	dir, _ := packages()
	dist := filepath.Join(dir, newVersion)
	m.packages = "rpm"
	m.binds = append(m.binds, unpack(t, filepath.Join(dist, distributed(t, dist)["amazon"]))+":/ssm:ro")
	out := m.ok(t, `printf '#!/bin/sh\n[ "$1" != -U ] || set -- "$@" --nodeps\nexec /usr/bin/rpm "$@"\n' >/usr/local/bin/rpm; chmod +x /usr/local/bin/rpm # Debian's does not know who has /bin/sh
cd /ssm; say() { echo "$1 $(systemctl is-active wingman) $(cat /etc/wingman/host.yml | tail -1 | cut -c1-22)"; }
sh install.sh >/dev/null 2>&1; echo 'guard: {mode: observe}' >/etc/wingman/host.yml
for s in uninstall.sh install.sh update.sh uninstall.sh; do sh $s >/dev/null 2>&1; say $s; done`)
	if want := "uninstall.sh inactive guard: {mode: observe}\ninstall.sh active guard: {mode: observe}\nupdate.sh active guard: {mode: observe}\nuninstall.sh inactive guard: {mode: observe}\n"; out != want {
		t.Errorf("got\n%s", out)
	}
}

// distributed holds manifest.json against the zips, and gives each platform's, on x86_64.
func distributed(t *testing.T, dist string) map[string]string {
	t.Helper()
	var m struct {
		SchemaVersion, Version string
		Packages               map[string]map[string]map[string]struct{ File string }
		Files                  map[string]struct{ Checksums map[string]string }
	}
	text, err := os.ReadFile(filepath.Join(dist, "manifest.json"))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil || m.SchemaVersion != "2.0" || !regexp.MustCompile(`^[0-9A-Za-z_.-]{1,128}$`).MatchString(m.Version) {
		t.Fatalf("%v %+v", err, m)
	}
	zips := map[string]string{}
	for platform, versions := range m.Packages {
		zips[platform] = versions["_any"]["x86_64"].File
		if _, listed := m.Files[zips[platform]]; !listed {
			t.Errorf("%s: the file %q is not listed", platform, zips[platform])
		}
	}
	for name, f := range m.Files {
		if sum := sumOf(t, filepath.Join(dist, name)); f.Checksums["sha256"] != sum || !regexp.MustCompile(`^[0-9A-Za-z_.-]{3,128}$`).MatchString(name) {
			t.Errorf("%s: %s in the manifest, %s in truth", name, f.Checksums["sha256"], sum)
		}
	}
	if zips["amazon"] == zips["debian"] || len(m.Files) != 2 {
		t.Errorf("%v", zips)
	}
	return zips
}

func sumOf(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func unpack(t *testing.T, file string) (dir string) {
	t.Helper()
	r, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dir = t.TempDir()
	for _, f := range r.File {
		from, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(f.Name)), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The same tree gives the same bytes, at another time, under another umask and in another time zone.
func TestPackagesAreReproducible(t *testing.T) {
	t.Parallel()
	need(t)
	dir, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	again := t.TempDir()
	if err := buildPackages(again, newVersion, "TZ=Asia/Tokyo", "LANG=de_DE.UTF-8"); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(filepath.Join(dir, newVersion, "SHA256SUMS"))
	second, err2 := os.ReadFile(filepath.Join(again, "SHA256SUMS"))
	if err != nil || err2 != nil || !bytes.Equal(first, second) || bytes.Count(first, []byte("\n")) != 5 {
		t.Errorf("%v %v\n%s\n%s", err, err2, first, second)
	}
}

// Newer builds sort higher, for dpkg and for rpm, and the version is in the file's name and in the program.
func TestVersions(t *testing.T) {
	t.Parallel()
	need(t)
	ascending := []string{oldVersion, newVersion, "0.1.0", "0.1.1~dev.1+gfffffff", "0.1.1~dev.2+g0000000", "0.1.1", "0.2.0"}
	for i := range len(ascending) - 1 {
		if err := exec.Command("dpkg", "--compare-versions", ascending[i]+"-1", "lt", ascending[i+1]+"-1").Run(); err != nil {
			t.Errorf("dpkg: %s is not before %s", ascending[i], ascending[i+1])
		}
		if rpm := tool(t, "rpm"); rpm != "" {
			out, err := exec.Command(rpm, "--eval", fmt.Sprintf(`%%{lua: print(rpm.vercmp("%s", "%s"))}`, ascending[i], ascending[i+1])).Output()
			if err != nil || strings.TrimSpace(string(out)) != "-1" {
				t.Errorf("rpm: %s is not before %s: %s %v", ascending[i], ascending[i+1], out, err)
			}
		}
	}
	out, err := exec.Command("../version.sh").CombinedOutput()
	if bytes.HasPrefix(out, []byte("cannot tell the version: ")) && bytes.Contains(out, []byte("make package VERSION=")) {
		return // a shallow checkout, or none: it says what to type
	}
	if err != nil || !regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(~dev\.[0-9]+\+g[0-9a-f]+(\.dirty)?)?\n$`).Match(out) {
		t.Errorf("%s %v", out, err)
	}
}

// tool gives a program's path; where CI is set it must be there.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	return path
}

func TestLintian(t *testing.T) {
	t.Parallel()
	need(t)
	lintian := tool(t, "lintian")
	if lintian == "" {
		t.Skip("skipped: lintian is not installed")
	}
	dir, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(lintian, "--allow-root", "--fail-on", "error,warning", filepath.Join(dir, newVersion, "codedeploy-wingman_"+newVersion+"_amd64.deb")).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// What the unit says, the systemd of Amazon Linux 2 (219) knows, but for what it has under an older name.
func TestUnitForOldSystemd(t *testing.T) {
	unit, err := os.ReadFile("../wingman.service")
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Fields("Description Documentation After Wants StartLimitInterval Type NotifyAccess ExecStart ExecReload Restart RestartSec WatchdogSec EnvironmentFile KillMode TimeoutStopSec WantedBy")
	for _, m := range regexp.MustCompile(`(?m)^(\w+)=`).FindAllSubmatch(unit, -1) {
		if name := string(m[1]); name != "StartLimitIntervalSec" && !slices.Contains(known, name) {
			t.Errorf("%s= is not known to systemd 219: say what becomes of it there", name)
		}
	}
}

package test

import (
	"os"
	"os/exec"
	"testing"

	"gopkg.in/yaml.v3"
)

// What the last step of an image's build leaves: the service, its settings, and nothing of the instance that built it.
func TestImage(t *testing.T) {
	t.Parallel()
	m := packaged(t)
	m.binds = append(m.binds, "../image:/image:ro")
	m.after = []string{`systemctl is-active wingman; wingman history; cat /etc/wingman/host.yml`}
	out := m.ok(t, `. /lib.sh
PACKAGE=/p/new.deb sh /image/user-data.sh >/dev/null 2>&1
echo 'guard: {mode: disabled}' >/etc/wingman/host.yml
event built; event_ends; [ -n "$(wingman history --output json | grep built)" ]
sh /image/clean.sh; ls -d /var/lib/wingman /var/log/wingman /run/wingman 2>/dev/null || echo clean`)
	if want := "begin\nend\nexit 0\nclean\nactive\nno event has run here yet\nguard: {mode: disabled}\n"; out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// The playbook is YAML, and Ansible takes it. (Its shell parts are user-data.sh; the rest is Ansible's own modules.)
func TestAnsible(t *testing.T) {
	t.Parallel()
	const file = "../image/ansible.yml"
	text, err := os.ReadFile(file)
	var plays []struct{ Tasks, Handlers []map[string]any }
	if err == nil {
		err = yaml.Unmarshal(text, &plays)
	}
	if err != nil || len(plays) != 1 || len(plays[0].Tasks) < 4 || len(plays[0].Handlers) != 1 {
		t.Fatalf("%v %v", err, plays)
	}
	ansible := tool(t, "ansible-playbook")
	if ansible == "" {
		t.Skip("skipped the rest: ansible-playbook is not installed")
	}
	if out, err := exec.Command(ansible, "--syntax-check", "-i", "localhost,", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

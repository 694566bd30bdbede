package test

import "testing"

// users are the shell's: joe, of the group extra, and ann, of the group wingman; and what it takes to act as one of them.
const users = `
groupadd wingman; groupadd extra; useradd -m -G extra joe; useradd -m -G wingman ann
uid=$(id -u joe)
systemctl restart wingman; answers # it looks the group up when it starts
as() { (cd /; su "$1" -s /bin/sh -c "${*#"$1"}"); }
# plain DIR: of a revision, without what the others leave behind
plain() { echo '{version: 1, events: {ApplicationStart: [{script: run.sh}], ValidateService: [{command: [id], user: root}]}}' >$1/wingman.yml; }
`

// Any user may run its own event, as itself.
func TestOtherUsers(t *testing.T) {
	machine{}.on(t, users+`
revision /srv/joe <<'END'
id -u; id -g; id -Gn; umask; pwd; echo "$HOME $WORD"; touch /home/joe/made; head -c 1 /etc/shadow
END
plain /srv/joe
status=0; as joe 'umask 027; cd /home/joe; WORD=x DEPLOYMENT_ID=d-joe wingman hook ApplicationStart --revision /srv/joe' >/srv/joe/out 2>&1 || status=$?
is 'exit code, since it may not read /etc/shadow' $status 1
is 'who it runs as, and how' "$(head -n 6 /srv/joe/out)" "$uid
$(id -g joe)
joe extra
0027
/home/joe
/home/joe x"
hasnt /srv/joe/out 'in this process'
is 'owner of what it made' "$(stat -c %U:%a /home/joe/made)" joe:640
# its records are its own, and root sees them
is 'records' "$(stat -c %U:%a /var/lib/wingman/users/$uid /var/log/wingman/users/$uid | uniq)" joe:700
is "root's history" "$(record d-joe)" 'ApplicationStart failed'
run=$(wingman history | awk '$4 == "d-joe" {print $8}')
wingman logs $run >/srv/joe/log; has /srv/joe/log '/home/joe x'
# it may not be another user
status=0; as joe 'DEPLOYMENT_ID=d-root wingman hook ValidateService --revision /srv/joe' >/srv/joe/out 2>&1 || status=$?
is 'exit code of asking for root' $status 1
has /srv/joe/out 'only root may run a step as another user (root)'; hasnt /srv/joe/out 'uid=0'
nothing_left`)
}

// Another user's run outlives the service too, and ends when its client is told to, with or without one.
func TestOtherUsersRunsOutliveTheService(t *testing.T) {
	machine{}.on(t, users+`
revision /srv/long <<'END'
echo began; while [ ! -e /home/joe/go ]; do sleep 0.1; done; echo through
END
plain /srv/long
for i in 1 2 3; do
  rm -f /srv/pid.$i
  (s=0; as joe "echo \$\$ >/home/joe/pid.$i; DEPLOYMENT_ID=d-long$i exec wingman hook ApplicationStart --revision /srv/long" >/srv/out.$i 2>&1 || s=$?; echo $s >/srv/code.$i) &
  await grep -q began /srv/out.$i
done
systemctl restart wingman; answers
kill $(cat /home/joe/pid.1); await test -s /srv/code.1
systemctl stop wingman
kill $(cat /home/joe/pid.2); await test -s /srv/code.2
systemctl start wingman; answers
touch /home/joe/go; await test -s /srv/code.3
is 'exit codes' "$(cat /srv/code.1 /srv/code.2 /srv/code.3 | tr '\n' ' ')" '130 130 0 '
has /srv/out.3 through
for i in 1 2; do
  is record "$(record d-long$i)" 'ApplicationStart cancelled'
  reason d-long$i >/srv/reason; has /srv/reason 'wingman hook was told to end'
done
nothing_left`)
}

// What is root's is not for others to see or to touch; who is of the group wingman may see it.
func TestOtherUsersMayNot(t *testing.T) {
	machine{}.on(t, users+`
cat >/srv/ask <<'END'
use IO::Socket::UNIX;
my $s = IO::Socket::UNIX->new(Peer => "/run/wingman/wingman.sock") or die "$!";
print $s "$ARGV[0] HTTP/1.0\r\n\r\n"; $s->flush; print while <$s>;
END
mkdir /srv/joe
revision /srv/root <<'END'
echo secret; while [ ! -e /srv/root/go ]; do sleep 0.1; done
END
hook d-roots /srv/root; await grep -q secret /srv/root/out
run=$(wingman history | awk '$4 == "d-roots" {print $8}')
refused() {
  status=0; as joe "$*" >/srv/joe/out 2>&1 || status=$?
  [ $status = 4 ] || { echo "$*: exit code $status"; cat /srv/joe/out; exit 1; }
  has /srv/joe/out "may not: root and the members of the group wingman may"
  has /srv/joe/out "run it with sudo"; has /srv/joe/out "sudo usermod -aG wingman"
  hasnt /srv/joe/out secret
}
refused wingman status
refused wingman history
refused wingman logs $run
as ann wingman status >/srv/ann; has /srv/ann "ApplicationStart of d-roots as root"
as ann wingman history >/srv/ann; has /srv/ann d-roots
as ann wingman logs $run >/srv/ann; has /srv/ann secret
nothing_of() { cat /srv/joe/answer; grep -q '"kind":"denied"' /srv/joe/answer && ! grep -q secret /srv/joe/answer; }
for ask in "POST /v1/runs/$run/cancel" "GET /v1/runs/$run/events" "GET /v1/runs/$run/log" "POST /v1/reload"; do
  as joe "perl /srv/ask '$ask'" >/srv/joe/answer
  nothing_of
done
as ann "perl /srv/ask 'POST /v1/runs/$run/cancel'" >/srv/joe/answer; nothing_of
not as joe "ls /var/lib/wingman/live/$run/run"
not as joe "kill $client" 2>/dev/null
touch /srv/root/go
is "root's run goes on to its end" "$(ended /srv/root)" 0
nothing_left`)
}

// What a user puts into its own folders, which root's service reads and writes, opens nothing to it.
func TestLinksInAUsersFolders(t *testing.T) {
	machine{}.on(t, `
useradd -m eve; uid=$(id -u eve)
as() { (cd /; su eve -s /bin/sh -c "$*"); }
echo 'precious: root only' >/root/secret; chmod 600 /root/secret
# the run's own folder: output, step and result become links, to a file that only root may read
cat >/home/eve/links <<'END'
#!/bin/sh
echo began
while [ ! -e /home/eve/go ]; do sleep 0.05; done
d=$(echo /var/lib/wingman/live/*/run); cd "$d" || exit 9
for f in now output.0 output.1 output.999999 result.json; do rm -f $f; ln -s /root/secret $f; done
mkfifo readers.new; mv readers.new started
echo after
END
revision /srv/eve </home/eve/links
echo '{version: 1, events: {ApplicationStart: [{script: run.sh}]}}' >/srv/eve/wingman.yml
as 'DEPLOYMENT_ID=d-1 timeout 30 wingman hook ApplicationStart --revision /srv/eve' >/srv/out 2>&1 &
await grep -q began /srv/out; touch /home/eve/go
wait $! || :
is 'what was put there' "$(readlink /var/lib/wingman/live/*/run/output.0)" /root/secret
hasnt /srv/out precious
wingman status >/srv/out 2>&1; hasnt /srv/out precious
wingman history >/srv/out 2>&1; hasnt /srv/out precious
is 'the secret' "$(stat -c %U:%a /root/secret) $(cat /root/secret)" 'root:600 precious: root only'
# its records and logs
for dir in /var/lib/wingman/users/$uid /var/log/wingman/users/$uid; do
  as "find $dir -type f" | while read f; do as "rm $f; ln -s /root/secret $f"; done
done
run=$(ls /var/lib/wingman/live | head -n 1)
wingman history >/srv/out 2>&1 || :; hasnt /srv/out 'root only'
wingman logs $run >/srv/out 2>&1 || :; hasnt /srv/out precious
wingman logs d-1 >/srv/out 2>&1 || :; hasnt /srv/out precious
as 'DEPLOYMENT_ID=d-1 timeout 30 wingman hook ApplicationStart --revision /srv/eve' >/srv/out 2>&1 || :; hasnt /srv/out precious
# the folders themselves
as "rm -rf /var/lib/wingman/users/$uid/runs; ln -s /root /var/lib/wingman/users/$uid/runs"
as 'DEPLOYMENT_ID=d-2 timeout 30 wingman hook ApplicationStart --revision /srv/eve' >/srv/out 2>&1 || :; hasnt /srv/out precious
wingman history >/srv/out 2>&1 || :; hasnt /srv/out precious
systemctl restart wingman; answers
is 'the secret' "$(stat -c %U:%a /root/secret) $(cat /root/secret)" 'root:600 precious: root only'
is "what is in root's home" "$(ls /root)" secret
lines /srv/app; hook d-3 /srv/app; whole /srv/app d-3 # and all of that was no matter of others'
`)
}

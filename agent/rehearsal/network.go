package rehearsal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// network is where the instances are on this machine. On Linux each has an address of its own, 127.0.X.N; two rehearsals
// at once have another X each. Elsewhere there is only 127.0.0.1, and each instance has a port of its own instead; so it
// is too where the revision does not ask for ADDRESS, since its application then listens on all of them.
type network struct {
	third    int          // X
	claim    net.Listener // on the port by which a rehearsal claims its X
	wanted   int          // the port that the revision names
	port     int          // the port of all; 0: each has its own
	mu       sync.Mutex
	next     int
	anywhere bool // only 127.0.0.1
	taken    bool // the wanted port is
}

// claimed is the port, on 127.0.X.254, that says that a rehearsal uses X.
const claimed = 47254

// newNetwork finds addresses and ports that are free. env is wingman.yml's.
func newNetwork(env map[string]string, instances int, alone bool) (*network, error) {
	n := &network{wanted: 8080, anywhere: alone || runtime.GOOS != "linux"}
	if p, err := strconv.Atoi(env["PORT"]); err == nil && p > 0 {
		n.wanted = p
	}
	n.next = n.wanted
	if n.anywhere {
		n.taken = !isFree("127.0.0.1", n.wanted)
		return n, nil
	}
	first := rand.IntN(250)
	for i := range 250 {
		n.third = 1 + (first+i)%250
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.%d.254:%d", n.third, claimed)); err == nil {
			n.claim = l
			break
		}
	}
	if n.claim == nil {
		return nil, errors.New("cannot rehearse: this machine has no address of the form 127.0.X.254 to give")
	}
	if _, asks := env["ADDRESS"]; asks {
		n.port = n.common(instances)
	}
	n.taken = n.port != 0 && n.port != n.wanted || n.port == 0 && !isFree("127.0.0.1", n.wanted)
	return n, nil
}

// common finds a port that is free on the addresses of all instances: the wanted one, or another. 0 is none.
func (n *network) common(instances int) int {
	for _, p := range []int{n.wanted, anyPort(), anyPort(), anyPort()} {
		free := p > 0
		for i := 1; free && i <= instances; i++ {
			free = isFree(n.address(i), p)
		}
		if free {
			return p
		}
	}
	return 0
}

// address is that of the n-th instance that is launched.
func (n *network) address(i int) string {
	if n.anywhere {
		return "127.0.0.1"
	}
	return fmt.Sprintf("127.0.%d.%d", n.third, i)
}

// portFor gives one more instance its port.
func (n *network) portFor() int {
	if n.port != 0 {
		return n.port
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.next
	n.next++
	if !isFree("127.0.0.1", p) {
		return anyPort()
	}
	return p
}

func (n *network) close() error {
	if n == nil || n.claim == nil {
		return nil
	}
	return n.claim.Close()
}

// isFree says that nobody answers there. It does not listen itself: that would be in the way of an application that
// starts at that moment.
func isFree(address string, port int) bool {
	c, err := net.DialTimeout("tcp", net.JoinHostPort(address, strconv.Itoa(port)), time.Second)
	if err != nil {
		return true
	}
	c.Close()
	return false
}

// anyPort is one that nobody uses now; 0 where there is none.
func anyPort() int {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		return 0
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

package plan

import "time"

// reserve is what TERM, KILL and the summary need of an event's timeout.
const reserve = 15 * time.Second

// Budget gives what an event's steps may take of the timeout that appspec.yml gives it: the reserve is taken off, but
// of a short timeout at least half stays.
func Budget(appspecTimeout time.Duration) time.Duration {
	return max(appspecTimeout-reserve, appspecTimeout/2)
}

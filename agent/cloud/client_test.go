package cloud

import (
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/guard"
)

// A client that was given its endpoint speaks to nobody else, whatever this machine's user has set for the real AWS.
func TestAGivenEndpointIsAllThatIsSpokenTo(t *testing.T) {
	sim, err := awssim.New(awssim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	if err := sim.CreateGroup(awssim.GroupSpec{Name: "blue", Desired: 1}); err != nil {
		t.Fatal(err)
	}
	var v awssim.GroupView
	if err := sim.Until(t.Context(), func() bool { v, _ = sim.Group("blue"); return len(v.InService()) == 1 }); err != nil {
		t.Fatal(err)
	}
	imds, err := sim.IMDS(v.Instances[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"AWS_PROFILE": "mine", "AWS_ENDPOINT_URL_AUTO_SCALING": "http://127.0.0.1:1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
		"AWS_ACCESS_KEY_ID": "AKIAMINE", "AWS_SECRET_ACCESS_KEY": "mine", "AWS_REGION": "us-east-1"} {
		t.Setenv(name, value)
	}
	c := New(Options{Endpoint: sim.URL(), Metadata: imds, Region: "eu-west-1"})
	if a := c.Guard(t.Context(), guard.Call{Op: guard.Describe, Group: "blue"}); a.Err != nil || a.Group.Desired != 1 {
		t.Errorf("got %+v", a)
	}
}

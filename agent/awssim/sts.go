package awssim

import (
	"fmt"
	"strings"
	"time"
)

func stsOperations() map[string]operation {
	return map[string]operation{
		"GetCallerIdentity": {false, (*call).getCallerIdentity},
		"AssumeRole":        {true, (*call).assumeRole},
	}
}

func (c *call) getCallerIdentity() (any, error) {
	out := struct{ UserId, Account, Arn string }{Account: c.Account}
	if strings.HasPrefix(c.caller, "i-") {
		out.UserId = "AROAEXAMPLEROLEWINGM:" + c.caller
		out.Arn = c.globalARN("sts", "assumed-role/"+roleName+"/"+c.caller)
		return out, nil
	}
	out.UserId, out.Arn = c.caller, c.globalARN("iam", "user/"+c.caller)
	return out, nil
}

// assumeRole gives credentials whose key is known to nobody: who may assume what is IAM's, which is not simulated.
func (c *call) assumeRole() (any, error) {
	if err := c.need("RoleArn", "RoleSessionName"); err != nil {
		return nil, err
	}
	arn, session := c.text("RoleArn"), c.text("RoleSessionName")
	_, role, _ := strings.Cut(arn, ":role/")
	c.seq++
	return struct {
		AccessKeyId     string     `xml:"Credentials>AccessKeyId"`
		SecretAccessKey string     `xml:"Credentials>SecretAccessKey"`
		SessionToken    string     `xml:"Credentials>SessionToken"`
		Expiration      *time.Time `xml:"Credentials>Expiration"`
		AssumedRoleId   string     `xml:"AssumedRoleUser>AssumedRoleId"`
		Arn             string     `xml:"AssumedRoleUser>Arn"`
	}{fmt.Sprintf("ASIA%016d", c.seq), "secret", "token", moment(c.now().Add(time.Hour)),
		"AROAEXAMPLEROLEOTHER:" + session, c.globalARN("sts", "assumed-role/"+role+"/"+session)}, nil
}

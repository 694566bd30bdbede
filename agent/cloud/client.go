// Package cloud is the one package that speaks to AWS. It answers in the words of who asks: the guard's calls, an
// instance's place in its deployment. AWS is found as every program built on the SDK finds it: region, profile,
// AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_<SERVICE>, AWS_EC2_METADATA_SERVICE_ENDPOINT. Of the metadata service only
// version 2 is asked.
package cloud

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
)

// The bounds of one call. A hook waits for these, so they are short: in a private subnet without an endpoint nothing
// ever answers. What a lifecycle event may spend on the guard in all is the engine's matter.
const (
	connectTimeout = time.Second
	answerTimeout  = 3 * time.Second
	attempts       = 5
	maxBackoff     = 2 * time.Second
)

// The bounds where a person waits who may be far away, and where a fleet's answers are many: throttling is waited out.
const (
	patientConnect  = 5 * time.Second
	patientAnswer   = 10 * time.Second
	patientAttempts = 9
	patientBackoff  = 3 * time.Second
)

// Options are for who runs several instances in one process; each empty one is found in the environment.
type Options struct {
	Endpoint string // of all services; with one the client takes nothing else from the environment, so give all three
	Metadata string // of the instance's metadata service
	Region   string
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // how all of these are reached; nil: over the network
	Key      string                                                               // with an Endpoint: the access key to sign with, for who is no instance
	Profile  string                                                               // of the AWS CLI's files; empty: as the environment has it
	Patient  bool                                                                 // a person waits, not a hook: longer bounds, more attempts
}

// Client speaks to AWS, from its first call on: making one costs nothing.
type Client struct {
	Options
	loading  sync.Mutex
	loaded   bool
	config   aws.Config
	meta     *imds.Client
	mu       sync.Mutex // of document
	document imds.InstanceIdentityDocument
	asg      *autoscaling.Client
	deploy   *codedeploy.Client
	alarms   *cloudwatch.Client
	sched    *scheduler.Client
	elb      *elasticloadbalancingv2.Client
}

// New makes a client.
func New(o Options) *Client { return &Client{Options: o} }

// load finds credentials and region, once. What was not found is looked for again by the next call: a service lives for
// years, and begins at boot, when the metadata service may not be reached yet.
func (c *Client) load(ctx context.Context) (err error) {
	c.loading.Lock()
	defer c.loading.Unlock()
	if c.loaded {
		return nil
	}
	metadata := c.quick()
	c.meta = imds.New(imds.Options{HTTPClient: metadata, Endpoint: c.Metadata, EnableFallback: aws.FalseTernary,
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 2 })})
	if c.Endpoint != "" {
		c.config = c.apart()
	} else {
		c.config, err = c.found(ctx)
	}
	if err == nil && c.config.Region == "" {
		c.config.Region, err = c.region(ctx)
	}
	if err == nil {
		c.clients()
		c.loaded = true
	}
	return err
}

func (c *Client) clients() {
	over := func(at **string) { // AWS_ENDPOINT_URL_<SERVICE> goes over the configuration's
		if c.Endpoint != "" {
			*at = &c.Endpoint
		}
	}
	c.asg = autoscaling.NewFromConfig(c.config, func(o *autoscaling.Options) { over(&o.BaseEndpoint) })
	c.deploy = codedeploy.NewFromConfig(c.config, func(o *codedeploy.Options) { over(&o.BaseEndpoint) })
	c.alarms = cloudwatch.NewFromConfig(c.config, func(o *cloudwatch.Options) { over(&o.BaseEndpoint) })
	c.sched = scheduler.NewFromConfig(c.config, func(o *scheduler.Options) { over(&o.BaseEndpoint) })
	c.elb = elasticloadbalancingv2.NewFromConfig(c.config, func(o *elasticloadbalancingv2.Options) { over(&o.BaseEndpoint) })
}

// found is what the environment and the SDK's files say.
func (c *Client) found(ctx context.Context) (aws.Config, error) {
	opts := []func(*config.LoadOptions) error{
		config.WithHTTPClient(c.calls()), config.WithRetryer(c.retryer),
		config.WithEC2RoleCredentialOptions(func(o *ec2rolecreds.Options) { o.Client = c.meta }),
	}
	if c.Region != "" {
		opts = append(opts, config.WithRegion(c.Region))
	}
	if c.Profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(c.Profile))
	}
	start, cancel := starting(ctx)
	defer cancel()
	return config.LoadDefaultConfig(start, opts...)
}

// apart is for a client that was given its endpoint. Nothing of this machine's user may lead it to the real AWS: no
// file, key or profile is read, the credentials are the instance's.
func (c *Client) apart() aws.Config {
	var who aws.CredentialsProvider = ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = c.meta })
	if c.Key != "" {
		who = credentials.NewStaticCredentialsProvider(c.Key, "secret", "")
	}
	return aws.Config{Region: c.Region, BaseEndpoint: &c.Endpoint, HTTPClient: c.calls(), Retryer: c.retryer, Credentials: aws.NewCredentialsCache(who)}
}

// retryer makes one service's retryer. The SDK's own quota of retries would give a throttled fleet up after a hundred.
func (c *Client) retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = attempts, maxBackoff
		if c.Patient {
			o.MaxAttempts, o.MaxBackoff, o.RateLimiter = patientAttempts, patientBackoff, ratelimit.None
		}
	})
}

// starting gives a context with a deadline of its own: what the first caller has no time for would be missing for all. A
// program that is told to end does not wait for it.
func starting(ctx context.Context) (context.Context, context.CancelFunc) {
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*answerTimeout)
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	return own, func() { stop(); cancel() }
}

// region asks the instance where it is.
func (c *Client) region(ctx context.Context) (string, error) {
	err := c.onEC2()
	if c.Patient && (err != nil || c.apartFromEC2()) {
		return "", &Error{Kind: Unset, Op: "find the region", Say: "no region is set: --region, AWS_REGION, or a profile's", Err: errNoRegion}
	}
	if err == nil {
		var d imds.InstanceIdentityDocument
		if d, err = c.identity(ctx); err == nil {
			return d.Region, nil
		}
	}
	return "", &Error{Kind: Unreachable, Op: "find the region", Say: "no region is set (AWS_REGION, or a profile's), and " + err.Error(), Err: err}
}

// instance asks which instance this is.
func (c *Client) instance(ctx context.Context) (string, error) {
	d, err := c.identity(ctx)
	return d.InstanceID, err
}

// identity reads the instance's identity document, once.
func (c *Client) identity(ctx context.Context) (imds.InstanceIdentityDocument, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.document.InstanceID != "" {
		return c.document, nil
	}
	ctx, cancel := starting(ctx)
	defer cancel()
	out, err := c.meta.GetInstanceIdentityDocument(ctx, &imds.GetInstanceIdentityDocumentInput{})
	if err != nil {
		return imds.InstanceIdentityDocument{}, noMetadata(err)
	}
	c.document = out.InstanceIdentityDocument
	return c.document, nil
}

// quick is an HTTP client that does not wait for what is not there.
func (c *Client) quick() aws.HTTPClient { return c.bounded(connectTimeout, answerTimeout) }

// calls is the HTTP client of AWS's API.
func (c *Client) calls() aws.HTTPClient {
	if c.Patient {
		return c.bounded(patientConnect, patientAnswer)
	}
	return c.quick()
}

func (c *Client) bounded(connect, answer time.Duration) aws.HTTPClient {
	if c.Dial != nil {
		return &http.Client{Transport: whole{&http.Transport{DialContext: c.Dial, ResponseHeaderTimeout: answer}}}
	}
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = connect }).
		WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = answer })
}

// whole sends a request's body from a copy. The SDK closes its own as soon as an answer comes, and one from memory comes
// before the HTTP client has seen the body's end: it took that for a failed request, and broke the answer off.
type whole struct{ http.RoundTripper }

func (w whole) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return w.RoundTripper.RoundTrip(r)
}

// onEC2 says at no cost that this is no EC2 instance, where the firmware says so: a machine elsewhere would wait for a
// metadata service that does not answer (EC2 User Guide, "Identify EC2 instances": sys_vendor is Amazon EC2 on Nitro;
// on Xen the hypervisor's uuid begins with ec2). Where it says nothing, the metadata service is asked.
func (c *Client) onEC2() error {
	if c.Metadata != "" || os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT") != "" {
		return nil
	}
	if strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		return &Error{Kind: NotEC2, Op: "find this instance", Err: errMetadataOff}
	}
	vendor, err := os.ReadFile("/sys/class/dmi/id/sys_vendor")
	if err != nil || strings.Contains(string(vendor), "Amazon") {
		return nil
	}
	if uuid, err := os.ReadFile("/sys/hypervisor/uuid"); err == nil && strings.HasPrefix(strings.ToLower(string(uuid)), "ec2") {
		return nil
	}
	return &Error{Kind: NotEC2, Op: "find this instance", Err: errNotEC2}
}

// apartFromEC2 says that nothing here looks like EC2: a laptop without a firmware that says so.
func (c *Client) apartFromEC2() bool {
	if c.Metadata != "" || os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT") != "" {
		return false
	}
	vendor, err := os.ReadFile("/sys/class/dmi/id/sys_vendor")
	return err != nil || !strings.Contains(string(vendor), "Amazon")
}

// now is AWS's clock as an answer's Date header shows it; zero where there is none.
func now(at time.Time, ok bool) time.Time {
	if !ok {
		return time.Time{}
	}
	return at
}

package command

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/cmd/internal/process"
	proof "github.com/lethe/lethe/privacy/certificate"
)

// keys prints fresh keys.
func keys(_ context.Context, sys System, args []string) error {
	if err := parse(flags(sys, "keys"), args, 0, ""); err != nil {
		return err
	}
	fresh, err := process.NewKeys()
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(sys.Stdout, process.FormatKeys(fresh))
	return err
}

// tokenLife is how long a token of the development issuer is valid.
const tokenLife = 12 * time.Hour

// token prints a token: of the issuer whose key the environment holds, or of a running lethe-dev.
func token(ctx context.Context, sys System, args []string) error {
	fs := flags(sys, "token")
	role := fs.String("role", "", "customer, support, supervisor or admin")
	subject := fs.String("subject", "", "the customer's `id`, or the staff id; a demo one when left out")
	base := fs.Int("port-base", 4000, "the first port of the running lethe-dev")
	if err := parse(fs, args, 0, ""); err != nil {
		return err
	}
	if !identity.Role(*role).Valid() {
		return usage("--role must be customer, support, supervisor or admin")
	}
	if *base < 1 || *base > 65535-9 {
		return usage("--port-base must be from 1 to 65526")
	}
	env := chassis.NewEnv(sys.Lookup)
	if _, ok := sys.Lookup("DEV_ISSUER_KEY"); ok {
		issuer := process.ReadIssuer(env)
		if err := env.Err(); err != nil {
			return usage("%s", oneLine(err))
		}
		if *subject == "" {
			return usage("--subject is needed with DEV_ISSUER_KEY: there is no lethe-dev to name a demo one")
		}
		t, err := issuer.Token(identity.Role(*role), *subject, tokenLife)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(sys.Stdout, t)
		return err
	}
	t, err := devToken(ctx, *base, *role, *subject)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(sys.Stdout, t)
	return err
}

// devToken asks a running lethe-dev for a token.
func devToken(ctx context.Context, base int, role, subject string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	target := "http://127.0.0.1:" + strconv.Itoa(base) + "/dev/token?" + url.Values{"role": {role}, "subject": {subject}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, nil)
	if err != nil {
		return "", fmt.Errorf("ask lethe-dev for a token: %w", err)
	}
	req.Header.Set(process.DevHeader, "1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("no lethe-dev answers on port %d: start it with go run ./cmd/lethe-dev, or name its ports with --port-base", base)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := readLimited(resp.Body)
	if err != nil {
		return "", fmt.Errorf("read lethe-dev's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("lethe-dev refuses the token: %s", body)
	}
	return body, nil
}

const maxCertificate = 4 << 20

// certificate checks an erasure certificate offline.
func certificate(_ context.Context, sys System, args []string) error {
	verb, rest := firstWord(args)
	if verb != "verify" {
		return usage("the certificate command is: lethe certificate verify FILE")
	}
	fs := flags(sys, "certificate")
	file, rest := firstWord(rest)
	if err := parse(fs, rest, 0, ""); err != nil {
		return err
	}
	if file == "" {
		return usage("no file is named: lethe certificate verify FILE")
	}
	text, err := readFile(file, maxCertificate)
	if err != nil {
		return err
	}
	summary, err := checkCertificate(text)
	if err != nil {
		return fmt.Errorf("%s does not hold: %w", file, err)
	}
	_, err = fmt.Fprintf(sys.Stdout, "%s holds\n%s", file, summary)
	return err
}

// checkCertificate verifies a certificate and gives its text for people.
func checkCertificate(text []byte) (string, error) {
	v, err := proof.Verify(text)
	if err != nil {
		return "", err
	}
	return v.Text(), nil
}

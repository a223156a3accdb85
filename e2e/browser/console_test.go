package browser

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/lethe/lethe/e2e/harness"
	"github.com/lethe/lethe/privacy/certificate"
)

type vars map[string]any

// register makes a customer and gives its id and its e-mail address.
func register(l *harness.Lethe, name string) (id, email string) {
	email = strings.ToLower(rand.Text()) + "@example.com"
	var out struct {
		RegisterCustomer struct{ Customer struct{ ID string } }
	}
	l.Do("", `mutation($input: RegisterCustomerInput!) { registerCustomer(input: $input) { customer { id } userErrors { message } } }`, vars{"input": vars{
		"email": email, "name": name, "phone": "+49 30 1234567",
		"addresses": []vars{{"name": name, "line1": "Lindenweg 3", "city": "Berlin", "postalCode": "10115", "countryCode": "DE"}},
	}}, &out)
	return out.RegisterCustomer.Customer.ID, email
}

// signIn opens the console as a member of staff.
func (b *browser) signIn(l *harness.Lethe, name string) {
	b.t.Helper()
	b.run(chromedp.Navigate(l.Console()))
	b.at("/sign-in")
	b.press(name)
	b.at("/customers")
}

// find searches a customer and opens its page.
func (b *browser) find(email, name string) {
	b.t.Helper()
	b.press("Customers")
	b.fill("Find a customer", email)
	b.press("Find")
	b.see("1 found")
	b.press(name)
	b.at("/customers/")
	b.see(email)
}

// request fills the form that asks for an erasure.
func (b *browser) request(email, graceDays string) {
	b.t.Helper()
	b.press("Erase …")
	b.see("Are you sure that this is the right person?")
	b.fill("Days in which it can be cancelled", graceDays)
	b.fill("A word about it", "Asked by telephone.")
	b.fill("The customer's e-mail address", email)
	b.press("Request the erasure")
	b.at("/erasures/")
}

func TestConsoleErasesACustomer(t *testing.T) {
	b := openBrowser(t)
	lethe := running(t)
	id, email := register(lethe, "Browser Person")

	b.signIn(lethe, "Ada Brandt")
	b.find(email, "Browser Person")
	b.see("Lindenweg 3")
	b.press("What is held where")
	b.see("Customer.email")
	b.see("What the words mean")

	// With a grace: it is followed as it moves, and cancelled.
	b.find(email, "Browser Person")
	b.request(email, "1")
	b.run(shows("#live", "Grace period"))
	b.press("Cancel the erasure")
	b.run(shows("#live", "Cancelled"))

	// Without: it is followed to its certificate, on the page as it stands.
	b.find(email, "Browser Person")
	b.see("Active")
	b.request(email, "0")
	b.run(chromedp.Evaluate(`window.stayed = true`, nil))
	b.see("The certificate is issued")
	b.run(shows(".seal", "passed"))
	var stayed bool
	b.run(chromedp.Evaluate(`window.stayed === true`, &stayed))
	if !stayed {
		t.Error("the page was loaded anew: it should follow by itself")
	}
	b.press("Read the certificate")
	b.see("The signature holds")
	var document string
	b.run(chromedp.Evaluate(`fetch(location.pathname + '.json').then(r => r.text())`, &document, chromedp.EvalAsValue, awaitPromise))
	if _, err := certificate.Verify([]byte(document)); err != nil {
		t.Errorf("the downloaded certificate does not verify: %v", err)
	}
	if strings.Contains(document, email) || strings.Contains(document, id) {
		t.Error("the certificate names the person")
	}

	b.press("Customers")
	b.fill("Find a customer", email)
	b.press("Find")
	b.see("Nobody is found by")
	b.press("Sign out")
	b.at("/sign-in")
}

// TestConsoleWithoutJavaScript asks for an erasure with scripts off: forms are forms, and the page is loaded again by itself.
func TestConsoleWithoutJavaScript(t *testing.T) {
	b := openBrowser(t)
	lethe := running(t)
	_, email := register(lethe, "Plain Person")
	b.run(emulation.SetScriptExecutionDisabled(true))
	b.run(
		chromedp.Navigate(lethe.Console()),
		chromedp.Click(`button[value="stf_ada"]`, chromedp.ByQuery),
		chromedp.WaitVisible("#search", chromedp.ByQuery),
		chromedp.SendKeys("#search", email+kb.Enter, chromedp.ByQuery),
		chromedp.WaitVisible(`//a[.="Plain Person"]`, chromedp.BySearch),
		chromedp.Click(`//a[.="Plain Person"]`, chromedp.BySearch),
		chromedp.Click(`//a[starts-with(., "Erase")]`, chromedp.BySearch, chromedp.NodeVisible),
		chromedp.SendKeys("#graceDays", "0", chromedp.ByQuery),
		chromedp.SendKeys("#confirmation", email+kb.Enter, chromedp.ByQuery),
		chromedp.WaitVisible(`//a[.="Read the certificate"]`, chromedp.BySearch),
	)
}

// TestConsoleByKeyboardAndOnAPhone finds a customer without a mouse, and looks for pages that are wider than a phone.
func TestConsoleByKeyboardAndOnAPhone(t *testing.T) {
	b := openBrowser(t)
	lethe := running(t)
	id, email := register(lethe, "Keyboard Person")
	b.run(chromedp.Navigate(lethe.Console()+"/sign-in"), chromedp.WaitVisible(".people", chromedp.ByQuery), chromedp.KeyEvent(kb.Tab))
	if got := b.focused(); got != "A Skip to the content" {
		t.Errorf("the first stop is %q", got)
	}
	b.run(chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab))
	if got := b.focused(); !strings.HasPrefix(got, "BUTTON Ada Brandt") {
		t.Errorf("after the skip link comes %q", got)
	}
	b.run(chromedp.KeyEvent(kb.Enter))
	b.at("/customers")
	b.run(chromedp.KeyEvent(email), chromedp.KeyEvent(kb.Enter)) // the search has the focus
	b.see("1 found")

	b.run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	for _, path := range []string{"/customers", "/customers/" + id, "/customers/" + id + "/held", "/customers/" + id + "/erase", "/erasures", "/data-map"} {
		var over int
		b.run(chromedp.Navigate(lethe.Console()+path), chromedp.Evaluate(`document.documentElement.scrollWidth - 390`, &over))
		if over > 0 {
			t.Errorf("%s is %d pixels wider than a phone", path, over)
		}
	}
}

// TestConsoleSecondPerson has an erasure approved where the shop wants a second person.
func TestConsoleSecondPerson(t *testing.T) {
	lethe := shared.build.Start(t, harness.Options{Env: []string{"ERASURE_APPROVAL=true"}})
	_, email := register(lethe, "Approved Person")
	ada := openBrowser(t)
	ada.signIn(lethe, "Ada Brandt")
	ada.find(email, "Approved Person")
	ada.request(email, "0")
	ada.run(shows("#actions", "somebody else must approve it"))

	jun := openBrowser(t)
	jun.signIn(lethe, "Jun Okafor")
	jun.run(chromedp.Navigate(lethe.Console() + "/erasures?show=staff"))
	jun.press("Approved Person")
	jun.press("Approve")
	jun.see("The certificate is issued")
	ada.see("approved by stf_jun") // on the page that she has open
	ada.see("The certificate is issued")
}

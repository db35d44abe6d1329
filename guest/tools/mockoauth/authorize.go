package mockoauth

import (
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

//go:embed page.html
var pageText string

// page is parsed when it is needed: this program has other names, which start often.
var page = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(pageText)) })

// request is what a client asks of a person (RFC 6749, 4.1.1; RFC 7636, 4.3).
func request(values url.Values) (grant, *url.URL, string) {
	g := grant{client: values.Get("client_id"), redirect: values.Get("redirect_uri"), nonce: values.Get("nonce"), scope: values.Get("scope"),
		challenge: values.Get("code_challenge"), method: values.Get("code_challenge_method")}
	back, err := url.Parse(g.redirect)
	switch {
	case g.client == "":
		return g, nil, "client_id is missing"
	case err != nil || !back.IsAbs() || back.Fragment != "":
		return g, nil, "redirect_uri must be an absolute URL without a fragment"
	case values.Get("response_type") != "code":
		return g, back, "response_type: only code is supported"
	case g.challenge != "" && g.method != "" && g.method != "plain" && g.method != "S256":
		return g, back, "code_challenge_method: plain and S256 are supported"
	}
	return g, back, ""
}

// ask shows the page on which a person says who he is. prompt=none with a login_hint answers by itself, for tests.
func (p *Provider) ask(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	g, back, problem := request(values)
	if problem != "" {
		p.refuse(w, r, back, values, problem)
		return
	}
	if hint := values.Get("login_hint"); values.Get("prompt") == "none" && hint != "" {
		p.send(w, r, g, back, values, hint)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cache-Control", "no-store")
	_ = page().Execute(w, struct { // whoever asked may be gone
		Client, Hint string
		Values       url.Values
	}{g.client, values.Get("login_hint"), values})
}

// allow is the page's answer.
func (p *Provider) allow(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	g, back, problem := request(r.PostForm)
	if problem != "" {
		p.refuse(w, r, back, r.PostForm, problem)
		return
	}
	p.send(w, r, g, back, r.PostForm, r.PostForm.Get("email"))
}

// send sends a browser back to its client, with a code for the person who has this e-mail address.
func (p *Provider) send(w http.ResponseWriter, r *http.Request, g grant, back *url.URL, values url.Values, email string) {
	email = strings.ToLower(strings.TrimSpace(email))
	if local, domain, found := strings.Cut(email, "@"); !found || local == "" || domain == "" {
		p.refuse(w, r, back, values, "not an e-mail address")
		return
	}
	g.person = personOf(email)
	p.redirect(w, r, back, values, url.Values{"code": {p.keep(g)}, "iss": {p.issuer}})
}

// refuse tells the client, or the person where there is no client to be told.
func (p *Provider) refuse(w http.ResponseWriter, r *http.Request, back *url.URL, values url.Values, problem string) {
	if back == nil {
		http.Error(w, problem, http.StatusBadRequest)
		return
	}
	p.redirect(w, r, back, values, url.Values{"error": {"invalid_request"}, "error_description": {problem}})
}

func (p *Provider) redirect(w http.ResponseWriter, r *http.Request, back *url.URL, values, add url.Values) {
	query := back.Query()
	for name, value := range add {
		query[name] = value
	}
	if state := values.Get("state"); state != "" {
		query.Set("state", state)
	}
	target := *back
	target.RawQuery = query.Encode()
	http.Redirect(w, r, target.String(), http.StatusSeeOther)
}

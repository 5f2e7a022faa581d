package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strconv"
)

//go:embed assets
var assetFiles embed.FS

//go:embed pages
var pageFiles embed.FS

const (
	htmlType    = "text/html; charset=utf-8"
	assetPrefix = "/assets/"
	// immutable is for what never changes under its address.
	immutable = "public, max-age=31536000, immutable"
)

// assets are the files beside the pages, by a name made of their hash: a new version has a new address.
type assets struct {
	files       map[string]file
	style, mark string // addresses
}

type file struct {
	contentType string
	bytes       []byte
}

func readAssets() (assets, error) {
	a := assets{files: make(map[string]file)}
	for _, f := range []struct {
		name, contentType string
		address           *string
	}{
		{"style.css", "text/css; charset=utf-8", &a.style},
		{"mark.svg", "image/svg+xml", &a.mark},
	} {
		b, err := assetFiles.ReadFile("assets/" + f.name)
		if err != nil {
			return assets{}, fmt.Errorf("web: %v", err)
		}
		const digits = 16 // of the hash; enough to tell versions apart
		sum := sha256.Sum256(b)
		name := hex.EncodeToString(sum[:])[:digits] + path.Ext(f.name)
		a.files[name] = file{f.contentType, b}
		*f.address = assetPrefix + name
	}
	return a, nil
}

func (s *site) asset(w http.ResponseWriter, r *http.Request) {
	f, ok := s.assets.files[r.PathValue("name")]
	if !ok {
		s.showFault(w, r, nothingFault())
		return
	}
	send(w, f.contentType, immutable, f.bytes)
}

// pageName is a template of a page.
type pageName string

const (
	portfolioName pageName = "portfolio"
	signInName    pageName = "sign-in"
	faultName     pageName = "fault"
	noticesName   pageName = "notices"
	coursesName   pageName = "courses"
)

// pages are the templates, parsed once in each language.
type pages map[language]map[pageName]*template.Template

// readPages parses the templates. A phrase that is missing in either language, or a template that names an unknown one, is
// found when a page is made; a test makes all of them.
func readPages(words map[string]phrase) (pages, error) {
	all := make(pages)
	for _, l := range languages() {
		all[l] = make(map[pageName]*template.Template)
		functions := template.FuncMap{"t": func(name string, args ...any) (string, error) {
			p, ok := words[name]
			switch {
			case !ok:
				return "", fmt.Errorf("web: no phrase %q", name)
			case len(args) == 0:
				return l.of(p), nil
			default:
				return fmt.Sprintf(l.of(p), args...), nil
			}
		}}
		for _, name := range []pageName{portfolioName, signInName, faultName, noticesName, coursesName} {
			t, err := template.New("layout.html").Funcs(functions).Option("missingkey=error").
				ParseFS(pageFiles, "pages/layout.html", "pages/"+string(name)+".html")
			if err != nil {
				return nil, fmt.Errorf("web: %v", err)
			}
			all[l][name] = t
		}
	}
	return all, nil
}

// page is what the layout shows around each page.
type page struct {
	taste

	Tag, Title, Bank string
	Size             size
	Style, Mark      string
	// Other is the page in the other language, and Sizes are those of its type; nothing where the page can't be asked for again.
	Other *choice
	Sizes []choice
	// SignedIn shows the way out.
	SignedIn bool
	Content  any
}

// choice is one of several ways to see a page.
type choice struct {
	Label, Address string
	// Tag is the language of the label where it is not the page's.
	Tag     string
	Current bool
}

// pageFor begins a page. Choices are offered where the page can be asked for again.
func (s *site) pageFor(t taste, r *http.Request, title string) *page {
	p := &page{
		taste: t, Tag: t.language.tag(), Title: title, Bank: t.language.text(s.config.Name), Size: t.size,
		Style: s.assets.style, Mark: s.assets.mark,
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return p
	}
	other := t.language.other()
	p.Other = &choice{Label: other.name(), Address: choose(r, languageParam, string(other)), Tag: other.tag()}
	for _, size := range sizes() {
		p.Sizes = append(p.Sizes, choice{
			Label: t.language.of(size.name()), Address: choose(r, sizeParam, string(size)), Current: size == t.size,
		})
	}
	return p
}

// choose is the address of the same page, seen in another way. What the cookies keep is not repeated in it.
func choose(r *http.Request, param, value string) string {
	query := url.Values{param: {value}}
	for _, kept := range []string{pageParam, searchParam} {
		if asked := r.URL.Query().Get(kept); asked != "" {
			query.Set(kept, asked)
		}
	}
	return r.URL.EscapedPath() + "?" + query.Encode()
}

// show makes a page and sends it, whole or not at all.
func (s *site) show(w http.ResponseWriter, name pageName, status int, p *page) error {
	var b bytes.Buffer
	if err := s.pages[p.language][name].Execute(&b, p); err != nil {
		return fmt.Errorf("web: page %s: %v", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", htmlType)
	h.Set("Content-Language", p.Tag)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // whoever asked went away
	return nil
}

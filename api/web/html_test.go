package web_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"
)

// void elements have no end.
func void(tag string) bool {
	return slices.Contains([]string{"meta", "link", "img", "br", "hr", "input"}, tag)
}

// parse reads a page and holds it to more than browsers do: every element is closed where it was opened, ids are there once
// and are there at all, and there is nothing that the content security policy would refuse.
func parse(t *testing.T, page string) *html.Node {
	t.Helper()
	checkTags(t, page)
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	ids := attributes(root, "id")
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			t.Errorf("the id %q is there twice", id)
		}
	}
	var wanted []string
	for _, value := range attributes(root, "for", "aria-labelledby", "aria-describedby") {
		wanted = append(wanted, strings.Fields(value)...)
	}
	for _, id := range wanted {
		if !slices.Contains(ids, id) {
			t.Errorf("nothing has the id %q", id)
		}
	}
	if styles := attributes(root, "style", "onclick", "onload"); len(styles) > 0 {
		t.Errorf("the page has inline style or script: %q", styles)
	}
	for _, tag := range []string{"script", "style", "iframe"} {
		if len(elements(root, tag)) > 0 {
			t.Errorf("the page has a <%s>", tag)
		}
	}
	for _, image := range elements(root, "img") {
		if !slices.ContainsFunc(image.Attr, func(a html.Attribute) bool { return a.Key == "alt" }) {
			t.Error("a picture has no text in its place")
		}
	}
	for tag, count := range map[string]int{"title": 1, "h1": 1, "main": 1} {
		if n := len(elements(root, tag)); n != count {
			t.Errorf("the page has %d <%s>", n, tag)
		}
	}
	for _, address := range attributes(root, "href", "src", "action") {
		if !strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "#") || strings.HasPrefix(address, "//") {
			t.Errorf("the page leads elsewhere: %q", address)
		}
	}
	return root
}

func checkTags(t *testing.T, page string) {
	t.Helper()
	var open []string
	tokens := html.NewTokenizer(strings.NewReader(page))
	for {
		switch tokens.Next() {
		case html.StartTagToken:
			if name, _ := tokens.TagName(); !void(string(name)) {
				open = append(open, string(name))
			}
		case html.EndTagToken:
			name, _ := tokens.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> closes nothing; open are %q", name, open)
			}
			open = open[:len(open)-1]
		case html.ErrorToken:
			if len(open) > 0 {
				t.Fatalf("never closed: %q", open)
			}
			return
		default:
		}
	}
}

func walk(root *html.Node, visit func(*html.Node)) {
	for n := range root.Descendants() {
		visit(n)
	}
}

func elements(root *html.Node, tag string) (found []*html.Node) {
	walk(root, func(n *html.Node) {
		if n.Type == html.ElementNode && n.Data == tag {
			found = append(found, n)
		}
	})
	return found
}

// classed are the elements of a class, in the order of the page.
func classed(root *html.Node, class string) (found []*html.Node) {
	walk(root, func(n *html.Node) {
		if n.Type == html.ElementNode && slices.Contains(strings.Fields(attribute(n, "class")), class) {
			found = append(found, n)
		}
	})
	return found
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func attributes(root *html.Node, keys ...string) (values []string) {
	walk(root, func(n *html.Node) {
		for _, a := range n.Attr {
			if slices.Contains(keys, a.Key) {
				values = append(values, a.Val)
			}
		}
	})
	return values
}

// text is what an element says, with single spaces.
func text(n *html.Node) string {
	var b strings.Builder
	walk(n, func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

// checkLanguage finds words of another language than the page says that they are in.
func checkLanguage(t *testing.T, root *html.Node) {
	t.Helper()
	var check func(n *html.Node, lang string)
	check = func(n *html.Node, lang string) {
		if own := attribute(n, "lang"); n.Type == html.ElementNode && own != "" {
			lang = own
		}
		if n.Type == html.TextNode && !speaks(n.Data, lang) {
			t.Errorf("this is not in %q: %q", lang, n.Data)
		}
		for _, a := range n.Attr {
			if slices.Contains([]string{"aria-label", "title", "alt"}, a.Key) && !speaks(a.Val, lang) {
				t.Errorf("this %s is not in %q: %q", a.Key, lang, a.Val)
			}
		}
		for child := range n.ChildNodes() {
			check(child, lang)
		}
	}
	check(root, "")
}

// speaks says whether words can be in a language: English has no Chinese character, and Chinese no Latin word.
func speaks(words, lang string) bool {
	switch lang {
	case "en":
		return !strings.ContainsFunc(words, func(r rune) bool { return unicode.Is(unicode.Han, r) })
	case "zh-CN":
		latin := strings.FieldsFunc(words, func(r rune) bool { return !unicode.Is(unicode.Latin, r) })
		return !slices.ContainsFunc(latin, func(word string) bool { return len(word) > 1 })
	default:
		return strings.TrimSpace(words) == ""
	}
}

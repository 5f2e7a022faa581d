package web

import (
	"fmt"
	"net/http"

	"github.com/learning-credit-bank/creditbank/api"
)

// fault is what a page says when there is nothing else to say.
type fault struct {
	status      int
	title, text phrase
}

// retryAfter is how many seconds a browser or program should wait before it asks a busy or stopped bank again.
const retryAfter = "5"

// faultOf is the table of the bank's kinds of faults: their HTTP statuses (RFC 9110) and what a resident reads.
func faultOf(kind api.Kind) fault {
	switch kind {
	case api.Invalid:
		return fault{
			http.StatusBadRequest,
			phrase{"这个请求无法处理", "This request cannot be answered"},
			phrase{"地址或填写的内容有误。请返回首页重新进入。", "The address, or what was filled in, is not right. Please start again from the first page."},
		}
	case api.Unauthenticated:
		return fault{
			http.StatusUnauthorized,
			phrase{"请先登录", "Please sign in first"},
			phrase{"登录凭证无效或已过期。请重新登录。", "The sign-in token is not valid, or no longer. Please sign in again."},
		}
	case api.Denied:
		return fault{
			http.StatusForbidden,
			phrase{"您不能查看此页", "This page is not for you to see"},
			phrase{"您登录的身份没有查看此内容的权限。", "You are signed in, but not permitted to see this."},
		}
	case api.NotFound:
		return fault{
			http.StatusNotFound,
			phrase{"没有找到", "Not found"},
			phrase{"您要找的内容不存在。", "What you are looking for does not exist."},
		}
	case api.Conflict, api.Changed:
		return fault{
			http.StatusConflict,
			phrase{"内容已经改变", "Something has changed meanwhile"},
			phrase{"您查看之后内容已有变动。请刷新页面后再试。", "It has changed since you looked. Please load the page again and retry."},
		}
	case api.Precondition:
		return fault{
			http.StatusConflict,
			phrase{"现在不能这样做", "This is not possible now"},
			phrase{"账户目前的状态不允许此操作。如有疑问，请向社区学校咨询。", "The account is not in a state that permits this. Your community school can help."},
		}
	case api.Busy:
		return busyFault()
	case api.Unavailable:
		return fault{
			http.StatusServiceUnavailable,
			phrase{"系统暂停服务", "The bank is pausing"},
			phrase{"您的记录安全无损。请过几分钟再来。", "Your record is safe. Please come back in a few minutes."},
		}
	case api.Canceled:
		return fault{
			http.StatusServiceUnavailable,
			phrase{"等待时间太长", "This took too long"},
			phrase{"请稍后再试一次。", "Please try again in a moment."},
		}
	default: // api.Internal, and what is not known here
		return fault{
			http.StatusInternalServerError,
			phrase{"系统出错了", "Something went wrong here"},
			phrase{"这是我们的问题，不是您的操作有误，您的记录安全无损。请稍后再试。", "This is our fault, not yours, and your record is safe. Please try again later."},
		}
	}
}

func busyFault() fault {
	return fault{
		http.StatusTooManyRequests,
		phrase{"现在访问的人太多", "Too many people are here now"},
		phrase{"请稍等片刻再试。", "Please wait a moment and try again."},
	}
}

// holdersFault is for officers and organizations, who have no record of their own.
func holdersFault() fault {
	return fault{
		http.StatusForbidden,
		phrase{"本页面供账户持有人使用", "This page is for account holders"},
		phrase{
			"您现在是以工作人员或机构的身份登录的。学习档案页面只向账户持有人本人开放。要查看自己的档案，请先退出，再以本人账户登录。",
			"You are signed in as an officer or an organization. A learning record opens here only to the person who holds the account. To see your own, sign out first and sign in to your own account.",
		},
	}
}

func crossOriginFault() fault {
	return fault{
		http.StatusForbidden,
		phrase{"请求来自其他网站", "The request came from another website"},
		phrase{"为保护您的账户，此请求未被处理。请从本站页面重新操作。", "To protect your account it was not carried out. Please start from a page of this site."},
	}
}

func nothingFault() fault {
	f := faultOf(api.NotFound)
	f.text = phrase{"这个地址没有页面。", "There is no page at this address."}
	return f
}

func methodFault() fault {
	f := faultOf(api.Invalid)
	f.status = http.StatusMethodNotAllowed
	return f
}

// known answers err as the bank's fault. A fault of the bank itself is kept for the log.
func known(w http.ResponseWriter, err error) *api.Error {
	e := api.AsError(err)
	if answer, ok := w.(*recorder); ok && e.Kind == api.Internal {
		answer.cause = err
		if e.Cause != nil {
			answer.cause = e.Cause
		}
	}
	return e
}

// fail answers an error with a page.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.showFault(w, r, faultOf(known(w, err).Kind))
}

// failPlainly answers an error to a program.
func (s *site) failPlainly(w http.ResponseWriter, err error) {
	e := known(w, err)
	f := faultOf(e.Kind)
	f.headers(w.Header())
	w.Header().Set("Content-Type", plainText)
	w.WriteHeader(f.status)
	fmt.Fprintln(w, e.Reason)
}

func (f fault) headers(h http.Header) {
	h.Set("Cache-Control", "private, no-store")
	switch f.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfter)
	}
}

// faultSection says a fault in one language.
type faultSection struct {
	Tag, Title, Text, Home string
}

// showFault answers with a page that says a fault in both languages, that of the reader first: whoever cannot read it could
// not ask for the other one, since what failed is not always to be asked for again.
func (s *site) showFault(w http.ResponseWriter, r *http.Request, f fault) {
	if answer, ok := w.(*recorder); ok && answer.status != 0 {
		return // a page was begun: there is no place left to say it
	}
	f.headers(w.Header())
	t := s.tasteOf(w, r)
	p := s.pageFor(t, r, t.language.of(f.title))
	p.Other, p.Sizes = nil, nil // their addresses would repeat one that somebody else may have made up
	p.SignedIn = cookieValue(r, sessionCookie) != ""
	var sections []faultSection
	for _, l := range []language{t.language, t.language.other()} {
		sections = append(sections, faultSection{
			Tag: l.tag(), Title: l.of(f.title), Text: l.of(f.text), Home: l.say("返回首页", "Back to the first page"),
		})
	}
	p.Content = sections
	if err := s.show(w, faultName, f.status, p); err != nil {
		http.Error(w, http.StatusText(f.status), f.status)
	}
}

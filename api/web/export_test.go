package web

// Phrases are the words of the templates in Chinese and English.
func Phrases() map[string][2]string {
	all := make(map[string][2]string)
	for name, p := range phrases() {
		all[name] = [2]string{p.zh, p.en}
	}
	return all
}

// RequestsAtOnce is how many requests are answered at the same time.
const RequestsAtOnce = requestsAtOnce

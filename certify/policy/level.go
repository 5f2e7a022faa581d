package policy

// MaxLevels is the most levels that a framework has.
const MaxLevels = 20

// accreditation checks what courses and their providers are accredited by.
func (c *compiler) accreditation() {
	if framework := c.message.GetLevels(); framework != nil {
		c.Text(framework.GetName(), true, nil, "levels", "name")
		c.Count(len(framework.GetLevels()), 1, MaxLevels, "levels", "levels")
		for i, level := range framework.GetLevels() {
			c.Text(level, true, nil, "levels", "levels", i)
		}
	}
	if rule := c.message.GetAccreditation(); rule != nil {
		c.Between(int64(rule.GetAppealDays()), 0, maxDays, "accreditation", "appeal_days")
	}
}

// Levels is how many levels the framework has that courses refer to; 0: there is none.
func (p *Policy) Levels() int { return len(p.message.GetLevels().GetLevels()) }

// Framework is the name of the framework of levels; no words where there is none.
func (p *Policy) Framework() Text { return text(p.message.GetLevels().GetName()) }

// Level is what a level of the framework is called, from 1; no words where it has no such level.
func (p *Policy) Level(level int) Text {
	if level < 1 || level > p.Levels() {
		return Text{}
	}
	return text(p.message.GetLevels().GetLevels()[level-1])
}

// AppealDays are the days in which the refusal of a course, or of an application, can be appealed against; 0: nobody said.
func (p *Policy) AppealDays() int { return int(p.message.GetAccreditation().GetAppealDays()) }

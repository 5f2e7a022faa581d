package district

import (
	"fmt"
	"time"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// Course is a course of the district.
type Course struct {
	Provider, Code, Version, Title, Category, Group string
	Level, Minutes, Capacity                        int
	// From and Until are YYYY-MM-DD; Until may be empty.
	From, Until string
	// Decision is what officers decide; unspecified: nothing yet. LastDay goes with a retirement.
	Decision ledgerv1.CourseDecision
	LastDay  string

	mode   statementv1.Mode
	scored bool
}

// Version is the version of every course: the district has begun just now.
const Version = "2026"

const (
	inClass     = statementv1.Mode_MODE_CLASSROOM
	online      = statementv1.Mode_MODE_ONLINE
	practice    = statementv1.Mode_MODE_PRACTICE
	lecture     = statementv1.Mode_MODE_LECTURE
	achievement = statementv1.Mode_MODE_ACHIEVEMENT
)

// outline is a course as a list of courses is written. Flags: s scored, p not decided yet, r retired, w outside its window by now.
type outline struct {
	provider, title string
	mode            statementv1.Mode
	minutes, level  int
	group, flags    string
}

// category is one of the seven kinds of learning, with what is taught.
type category struct {
	id, prefix string
	courses    []outline
}

func catalogue() []category {
	return []category{
		{"civic", "CIV", []outline{
			{"xihu-cc", "居民议事规则入门", inClass, 540, 1, "", ""},
			{"school-cuiyuan", "社区志愿服务实务", practice, 360, 1, "", ""},
			{"school-wenxin", "垃圾分类与低碳生活", lecture, 90, 0, "", ""},
			{"xihu-cc", "公民道德与诚信教育", online, 450, 1, "", ""},
			{"school-beishan", "宋韵杭州：城市文化讲坛", lecture, 90, 0, "", ""},
			{"xihu-cc", "文明礼仪线上课", online, 270, 0, "", "w"},
			{"school-gudang", "社区骨干领导力", inClass, 720, 2, "", "s"},
			{"school-lingyin", "国家安全常识", lecture, 90, 0, "", ""},
		}},
		{"arts", "ART", []outline{
			{"school-lingyin", "国画花鸟入门", inClass, 1080, 1, "", ""},
			{"school-xixi", "楷书基础", inClass, 1080, 1, "calligraphy-basics", "s"},
			{"xihu-cc", "楷书基础（线上）", online, 900, 1, "calligraphy-basics", "s"},
			{"school-cuiyuan", "合唱与声乐", inClass, 720, 1, "", ""},
			{"point-shuguang", "越剧唱腔欣赏", lecture, 90, 0, "", ""},
			{"school-gudang", "手机摄影", inClass, 720, 1, "phone-photography", "s"},
			{"xihu-cc", "手机摄影微课", online, 360, 1, "phone-photography", "s"},
			{"xihu-cc", "西湖诗词赏析", online, 450, 1, "", ""},
			{"school-beishan", "古琴体验", practice, 180, 0, "", ""},
			{"school-zhuantang", "青瓷手作", practice, 240, 1, "", ""},
			{"school-sandun", "江南丝竹合奏", inClass, 720, 2, "", ""},
		}},
		{"science", "SCI", []outline{
			{"school-jiangcun", "智能手机应用（初级）", inClass, 720, 1, "smartphone-1", "s"},
			{"xihu-cc", "智能手机应用（初级，线上）", online, 540, 1, "smartphone-1", "s"},
			{"school-jiangcun", "智能手机应用（进阶）", inClass, 720, 2, "", ""},
			{"school-wenxin", "人工智能与生活", lecture, 90, 0, "", ""},
			{"xihu-cc", "家庭网络安全常识", online, 270, 1, "", ""},
			{"school-gudang", "短视频制作", inClass, 720, 2, "", "p"},
			{"school-jiangcun", "西溪湿地生态观察", practice, 240, 1, "", ""},
			{"school-liuxia", "电脑办公基础", inClass, 1080, 2, "", "s"},
			{"school-xixi", "家用电器使用与节能", lecture, 90, 0, "", ""},
		}},
		{"vocational", "VOC", []outline{
			{"xihu-cc", "养老护理员技能培训", inClass, 2160, 3, "", "s"},
			{"school-sandun", "母婴护理基础", inClass, 1440, 3, "", "s"},
			{"school-zhuantang", "龙井茶炒制技艺", practice, 480, 2, "", ""},
			{"school-lingyin", "茶艺师（初级）", inClass, 1440, 2, "", "s"},
			{"xihu-cc", "电商直播运营", online, 900, 3, "", "s"},
			{"school-shuangpu", "农产品电商实务", inClass, 1080, 2, "", ""},
			{"point-hubu", "花木养护", practice, 360, 1, "", ""},
			{"school-liuxia", "中式面点（初级）", inClass, 1440, 2, "", "s"},
			{"xihu-cc", "养老护理员职业技能等级证书（中级）", achievement, 2880, 4, "elderly-care-certificate", "s"},
			{"xihu-cc", "成人高等教育专科学历", achievement, 90000, 5, "junior-college-degree", ""},
		}},
		{"family", "FAM", []outline{
			{"school-cuiyuan", "隔代教育的智慧", lecture, 90, 0, "", ""},
			{"xihu-cc", "青春期亲子沟通", online, 450, 1, "", ""},
			{"school-wenxin", "家庭教育指导公益课", inClass, 1080, 2, "", ""},
			{"school-jiangcun", "婴幼儿早期阅读", lecture, 90, 0, "", ""},
			{"point-lanli", "家风家训传承", inClass, 540, 1, "", ""},
			{"point-waitongwu", "亲子劳动实践", practice, 180, 0, "", ""},
			{"xihu-cc", "家庭财务管理", online, 360, 1, "", ""},
		}},
		{"health", "HEA", []outline{
			{"point-cuiyuan1", "八段锦", inClass, 720, 1, "baduanjin", "s"},
			{"xihu-cc", "八段锦线上跟练", online, 450, 1, "baduanjin", "s"},
			{"school-beishan", "二十四式太极拳", inClass, 1080, 1, "", ""},
			{"point-jialvyuan", "中医养生与四季饮食", lecture, 90, 0, "", ""},
			{"xihu-cc", "慢性病自我管理", online, 450, 1, "", ""},
			{"school-gudang", "心肺复苏与急救", practice, 180, 1, "", ""},
			{"point-huayuanting", "老年心理健康", lecture, 90, 0, "", ""},
			{"school-liuxia", "营养配餐实践", practice, 240, 1, "", ""},
			{"point-lingyin", "柔力球", inClass, 720, 1, "", "p"},
		}},
		{"safety", "SAF", []outline{
			{"school-cuiyuan", "反诈防骗公开课", lecture, 90, 0, "", ""},
			{"xihu-cc", "民法典与生活", online, 450, 1, "", ""},
			{"school-shuangpu", "消防安全与逃生演练", practice, 180, 0, "", ""},
			{"xihu-cc", "交通安全常识", online, 180, 0, "", "r"},
			{"school-sandun", "社区矛盾调解实务", inClass, 720, 2, "", ""},
			{"point-dejia", "燃气与居家安全", lecture, 90, 0, "", ""},
		}},
	}
}

// windowEnded and retired are how many days ago a course's window ended, and another's last day was.
const (
	windowEnded = 30
	retired     = 40
)

// Courses are the sixty courses, in the order in which they are proposed.
func (d *District) Courses() []Course {
	var all []Course
	from := time.Date(d.Day.Year()-1, time.January, 1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	for _, kind := range catalogue() {
		for i, o := range kind.courses {
			c := Course{
				Provider: o.provider, Code: fmt.Sprintf("%s-%02d", kind.prefix, i+1), Version: Version, Title: o.title, Category: kind.id,
				Group: o.group, Level: o.level, Minutes: o.minutes, Capacity: capacity(o.mode), From: from,
				Decision: ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED, mode: o.mode,
			}
			for _, flag := range o.flags {
				switch flag {
				case 's':
					c.scored = true
				case 'p':
					c.Decision = ledgerv1.CourseDecision_COURSE_DECISION_UNSPECIFIED
				case 'r':
					c.Decision, c.LastDay = ledgerv1.CourseDecision_COURSE_DECISION_RETIRED, d.Day.AddDate(0, 0, -retired).Format(time.DateOnly)
				case 'w':
					c.Until = d.Day.AddDate(0, 0, -windowEnded).Format(time.DateOnly)
				}
			}
			all = append(all, c)
		}
	}
	return all
}

// capacity is how many learn at once; 0 where there is no room to fill.
func capacity(mode statementv1.Mode) int {
	switch mode {
	case inClass:
		return 40
	case practice:
		return 24
	case lecture:
		return 120
	default:
		return 0
	}
}

// modes are the forms of learning that a platform posts, by its place in Platforms.
func modes(platform int) []statementv1.Mode {
	return [][]statementv1.Mode{{online}, {inClass, achievement}, {inClass, lecture}, {practice}}[platform]
}

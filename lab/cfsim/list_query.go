package cfsim

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// paging selects a page of a list.
type paging struct{ page, perPage int }

func readPaging(q url.Values, perPage, least, most int) (paging, error) {
	p := paging{1, perPage}
	for _, param := range []struct {
		name        string
		into        *int
		least, most int
	}{{"page", &p.page, 1, 1 << 30}, {"per_page", &p.perPage, least, most}} {
		if !q.Has(param.name) {
			continue
		}
		n, err := strconv.Atoi(q.Get(param.name))
		if err != nil || n < param.least || n > param.most {
			return paging{}, badParameter(param.name)
		}
		*param.into = n
	}
	return p, nil
}

// paginate returns the selected page of a list.
func paginate[T any](all []T, p paging) ([]T, *resultInfo) {
	start := len(all)
	if p.page-1 <= len(all)/p.perPage { // no overflow below
		start = min((p.page-1)*p.perPage, len(all))
	}
	shown := all[start:min(start+p.perPage, len(all))]
	return shown, &resultInfo{
		Page: p.page, PerPage: p.perPage, Count: len(shown),
		TotalCount: len(all), TotalPages: (len(all) + p.perPage - 1) / p.perPage,
	}
}

// enumParameter returns a parameter with a fixed set of values; the first is the default.
func enumParameter(q url.Values, name string, values ...string) (string, error) {
	if !q.Has(name) {
		return values[0], nil
	}
	if v := q.Get(name); slices.Contains(values, v) {
		return v, nil
	}
	return "", badParameter(name)
}

// allOrAny reports whether all conditions hold or, with either, any of them. It
// reports true without conditions.
func allOrAny(conditions []bool, either bool) bool {
	if len(conditions) == 0 {
		return true
	}
	return slices.Contains(conditions, either) == either
}

// textConditions applies the filters of a text property: name, name.exact,
// name.contains and so on. All ignore case.
func textConditions(q url.Values, property, value string) []bool {
	var conditions []bool
	value = strings.ToLower(value)
	for operator, test := range map[string]func(value, operand string) bool{
		"":            func(v, o string) bool { return v == o },
		".exact":      func(v, o string) bool { return v == o },
		".contains":   strings.Contains,
		".startswith": strings.HasPrefix,
		".endswith":   strings.HasSuffix,
		".present":    func(v, _ string) bool { return v != "" },
		".absent":     func(v, _ string) bool { return v == "" },
	} {
		if q.Has(property + operator) {
			conditions = append(conditions, test(value, strings.ToLower(q.Get(property+operator))))
		}
	}
	return conditions
}

// tagConditions applies the tag filters. Their operand is name or name:value; they
// compare the value of the tag with that name.
func tagConditions(q url.Values, tags []string) []bool {
	var conditions []bool
	for operator, test := range map[string]func(value, operand string) bool{
		".exact":      func(v, o string) bool { return v == o },
		".contains":   strings.Contains,
		".startswith": strings.HasPrefix,
		".endswith":   strings.HasSuffix,
		".present":    func(string, string) bool { return true },
		".absent":     func(string, string) bool { return true },
	} {
		for _, filter := range tagFilters(q, operator) {
			name, operand, _ := strings.Cut(strings.ToLower(filter), ":")
			has := slices.ContainsFunc(tags, func(tag string) bool {
				n, value, _ := strings.Cut(strings.ToLower(tag), ":")
				return n == name && test(value, operand)
			})
			conditions = append(conditions, has != (operator == ".absent"))
		}
	}
	return conditions
}

// tagFilters returns the operands of one operator. A bare tag=x means tag.present=x, a
// bare tag=x:y means tag.exact=x:y.
func tagFilters(q url.Values, operator string) []string {
	filters := slices.Clone(q["tag"+operator])
	for _, bare := range q["tag"] {
		if strings.Contains(bare, ":") == (operator == ".exact") && (operator == ".exact" || operator == ".present") {
			filters = append(filters, bare)
		}
	}
	return filters
}

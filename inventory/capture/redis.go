package capture

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// redis reads the address, INFO and CONFIG GET of each server.
func (p *parser) redis(text string) error {
	for part := range strings.SplitSeq("\n"+text, "\nserver ") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		info, config, _ := strings.Cut(part, "\nconfig\n")
		l := lines(info)
		r := inventory.Redis{Address: l[0]}
		if strings.Contains(info, "NOAUTH") || strings.Contains(info, "WRONGPASS") {
			p.addMissing(inventory.Missing{What: "redis " + r.Address, Reason: inventory.Denied, Detail: "the server wants a password"})
			p.host.Redis = append(p.host.Redis, r)
			continue
		}
		v := map[string]string{}
		for _, line := range l[1:] {
			if key, value, ok := strings.Cut(line, ":"); ok {
				v[key] = value
				if strings.HasPrefix(key, "db") && strings.HasPrefix(value, "keys=") {
					r.Keys = append(r.Keys, strings.TrimPrefix(key, "db"))
				}
			}
		}
		r.Version, r.Role = cmp.Or(v["valkey_version"], v["redis_version"]), v["role"]
		if r.Version == "" {
			return errors.New("the server tells no version")
		}
		if v["master_host"] != "" {
			r.Upstream = v["master_host"] + ":" + v["master_port"]
		}
		r.Replicas, _ = strconv.Atoi(v["connected_slaves"])
		used, _ := strconv.ParseInt(v["used_memory_dataset"], 10, 64)
		r.Memory = roundUp(used)
		r.Settings = p.redisSettings(lines(config))
		p.host.Redis = append(p.host.Redis, r)
	}
	slices.SortFunc(p.host.Redis, func(a, b inventory.Redis) int { return cmp.Compare(a.Address, b.Address) })
	return nil
}

// redisSettingNames are the settings of Redis that a move depends on.
var redisSettingNames = strings.Fields(`appendonly appendfsync bind databases dbfilename dir maxclients maxmemory maxmemory-policy port protected-mode
	replicaof save unixsocket timeout tls-port cluster-enabled io-threads notify-keyspace-events requirepass masterauth aclfile rename-command lazyfree-lazy-eviction`)

func (p *parser) redisSettings(l []string) []inventory.Setting {
	var all []inventory.Setting
	for i := 0; i+1 < len(l); i++ {
		if !slices.Contains(redisSettingNames, l[i]) || slices.Contains(redisSettingNames, l[i+1]) {
			continue // no such setting, or an empty value: the next line is a name
		}
		all = append(all, p.setting("redis", inventory.Setting{Name: l[i], Value: l[i+1]}))
		i++
	}
	slices.SortFunc(all, func(a, b inventory.Setting) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

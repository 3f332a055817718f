need ip6tables-save
ip6tables-save

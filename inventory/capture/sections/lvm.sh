need lvs
lvs --noheadings --nosuffix --units b --separator '|' -o vg_name,lv_name,lv_size

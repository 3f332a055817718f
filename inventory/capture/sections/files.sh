need find
for p; do
	if over_network "$p"; then
		printf '!\0000\0000\0000\0\0\0000\0%s\0\0' "$p"
	elif [ -e "$p" ] || [ -L "$p" ]; then
		find "$p" -xdev \( -type f -o -type d -o -type l \) -printf '%y\0%m\0%U\0%G\0%u\0%g\0%s\0%p\0%l\0' || status=1
	else
		printf '?\0000\0000\0000\0\0\0000\0%s\0\0' "$p"
	fi
done
exit ${status:-0}

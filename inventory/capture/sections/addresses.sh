need ip
ip -o link show
echo
ip -o addr show

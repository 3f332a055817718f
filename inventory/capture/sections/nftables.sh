need nft
nft -s list ruleset

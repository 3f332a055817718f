package inventory

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// edited are files that packages' scripts make and that administrators edit, or
// put beside the links that scripts make: they are left out only as they were made.
var edited = regexp.MustCompile(`^/etc/(environment|hosts\.(allow|deny)|nsswitch\.conf|profile|pam\.d/common-[^/]+|polkit-1/.*|apparmor\.d/local/.*|` +
	`php/[\d.]+/\w+/conf\.d/.*|nginx/modules-enabled/.*|apache2/(mods|conf)-enabled/.*|ssl/certs/.*)$`)

// bundles are what scripts make in the folder of certificates.
var bundles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/java/cacerts", "/etc/ssl/certs/ssl-cert-snakeoil.pem"}

const emptyFile = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// fresh are the SHA-256 of files as the scripts of Debian 12 and 13 make them.
var fresh = []string{
	emptyFile, // environment, apparmor.d/local
	"9eadbcd7ec16f4e5961ad2035c0228de7c22b2ba0f6761df63b1b3d9bad9d0a7", // hosts.allow
	"1d0a326106184ef6c389d685e061ba7737de6f7f60c600ec66b19682c53c08d1", // hosts.deny
	"eec30745bade42a3f3f792e4d4192e57d2bcfe8e472433b1de426fe39a39cddb", // nsswitch.conf
	"b953df1d0016f515fc052ca6bb0ccd092b8d13c8789c51c4eaef2b0461574e57", // with libnss-systemd
	"75656c9c0f960573c7530d29286d273f6cef68d9b17cfeb0d74c712860d56b74", // profile, 12
	"8fec28102e0c371e6f2ecb949b95c1ba802260766b18c2445882b082418428b9", // 13
	"aa8a63d72e79399b6c51ebe4e9f828c954145a799eb4b8f3224724f51cbb9fac", // pam.d/common-account
	"b787b01c7e71c658fa9acb84cbe153f71786cf380af4b01ae9135210cdc0154d", // common-auth
	"628197de9e50b6be37421b04a67f07924f515e0b0f4c06aed9fea953d20ed6e6", // with libpam-cap
	"a76bcfdcb12436297ccf72a0d63daed8d9761d8e92996eb08295b81be32567d7", // common-password
	"93b668185836f7b2df9bc9a1ad80f9a89c7b1580e0a59d21514b5145cbf0bcc7", // common-session, 12
	"c43a99cba44390edf1fe48e777e7ca6bfdee49fbbfa14260d32bd4b3b5b771e4", // 12 with libpam-systemd
	"f1ee6802a30cba8a3e93d62bfb4207238d0491cc1a82e9ff328f1ed635227c32", // 13
	"66aae9a343e225975f775a3e93d2e0005164fd3be76c245de5c3683719923bd3", // 13 with libpam-systemd
	"d137251095e22fca44fcc5c993699e46446673a085dab8238de6a670fb3cc7f2", // common-session-noninteractive, 12
	"5c624c6f8a8c9b1c75e487f339bbb67d02622736c133e26b39cf72600c39399b", // 13
}

// generated reports whether a file of no package is made by packages all the
// same, and is as they make it.
func generated(name, kind, sum string) bool {
	if kind == kinds["f"] && edited.MatchString(name) {
		return slices.Contains(fresh, sum) || slices.Contains(bundles, name)
	}
	return made.MatchString(name) || kind == kinds["l"] && strings.HasPrefix(name, "/etc/systemd/") && strings.HasSuffix(path.Dir(name), ".wants")
}

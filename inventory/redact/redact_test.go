package redact

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory/internal/planted"
)

var key = bytes.Repeat([]byte("k"), KeySize)

func TestPlantedSecretsAreTakenOut(t *testing.T) {
	kinds := map[string]bool{}
	all := planted.All()
	require.GreaterOrEqual(t, len(all), 200)
	for _, s := range all {
		kinds[s.Kind] = true
		r := New(key) // a new one: a secret known from one file must not help with another
		clean, found := r.File(s.Path, s.Text)
		for _, f := range s.Forbidden {
			require.Contains(t, s.Text, f)
			if strings.Contains(clean, f) {
				t.Errorf("%s: %s lets %q through:\n%s", s.Kind, s.Path, f, clean)
			}
		}
		require.NotEmpty(t, found, s.Path)
		for _, f := range found {
			require.True(t, isToken(f.Token))
			require.NotEmpty(t, f.Kind)
			require.Positive(t, f.Line)
		}
	}
	require.GreaterOrEqual(t, len(kinds), 40)
}

func TestRedactingTwiceChangesNothing(t *testing.T) {
	r := New(key)
	for _, s := range planted.All() {
		clean, _ := r.File(s.Path, s.Text)
		again, found := r.File(s.Path, clean)
		require.Equal(t, clean, again, s.Path)
		require.Empty(t, found, s.Path)
		require.Empty(t, r.Leaks(clean), s.Path)
	}
}

// The text around a secret stays.
func TestOnlySecretIsReplaced(t *testing.T) {
	r := New(key)
	for _, c := range []struct{ path, text, want string }{
		{"/etc/app.ini", "user = app\npassword = hunter2!\nport = 1\n", "user = app\npassword = TOKEN\nport = 1\n"},
		{"/etc/app.json", `{"a":1,"password":"hunter2!","b":2}`, `{"a":1,"password":"TOKEN","b":2}`},
		{"/etc/app.yml", "password: hunter2!  # of the app\nnext: 1\n", "password: TOKEN  # of the app\nnext: 1\n"},
		{"/etc/cron.d/x", "* * * * * root mysqldump -uroot -phunter2! shop | gzip\n", "* * * * * root mysqldump -uroot -pTOKEN shop | gzip\n"},
		{"/etc/x.conf", "url=mysql://app:hunter2!@10.0.0.1/shop\n", "url=mysql://app:TOKEN@10.0.0.1/shop\n"},
		{"/etc/x.env", "PASSWORD='hunter2!'\n", "PASSWORD='TOKEN'\n"},
		{"/etc/x.sql", "GRANT ALL ON *.* TO 'a'@'%' IDENTIFIED BY 'hunter2!' WITH GRANT OPTION;\n", "GRANT ALL ON *.* TO 'a'@'%' IDENTIFIED BY 'TOKEN' WITH GRANT OPTION;\n"},
		{"/etc/systemd/system/x.service", "Environment=A=1 PASSWORD=hunter2! B=2\n", "Environment=A=1 PASSWORD=TOKEN B=2\n"},
		{"/etc/redis/redis.conf", "requirepass hunter2!\nmasterauth \"hunter2!\"\n", "requirepass TOKEN\nmasterauth \"TOKEN\"\n"},
	} {
		clean, found := r.File(c.path, c.text)
		require.Equal(t, strings.ReplaceAll(c.want, "TOKEN", r.Token("hunter2!")), clean)
		require.Len(t, found, strings.Count(c.want, "TOKEN"))
	}
}

// Settings that only mention secrets stay as they are.
func TestFalseAlarms(t *testing.T) {
	r := New(key)
	for _, text := range []string{
		"PasswordAuthentication no\n", "PermitEmptyPasswords no\n", "password_file = /etc/app/password\n", "proxy_pass http://127.0.0.1:8080;\n",
		"fastcgi_pass unix:/run/php/php-fpm.sock;\n", "PASS_MAX_DAYS\t99999\n", "token_ttl = 3600\n", "ssl_certificate_key /etc/ssl/private/x.key;\n",
		"password = ${DB_PASSWORD}\n", "DB_PASSWORD=\"$DB_PASSWORD\"\n", "password: {{ vault_password }}\n", "#password=\n", "secret: !vault |\n",
		"api_key = os.environ['API_KEY']\n", "max_tokens: 4096\n", "ExecStart=/usr/sbin/nginx -g 'daemon on;'\n", "primary_key = id\n", "keyboard=de\n",
		"passive_mode yes\n", "compass: north\n", "bypass_proxy = 1\n", "tokenizer = standard\n", "git@git.example.com:shop/app.git\n",
		"http://example.com:8080/x\n", "cp -p /a /b\n", "mysql -u root -p\n", "mysqldump --defaults-file=/etc/mysql/debian.cnf shop\n",
		"server 10.0.0.1:3306 check\n", "user www-data;\n", "auth required pam_unix.so\n", "PWD=/srv/app\n", "HashKnownHosts yes\n",
	} {
		for _, path := range []string{"/etc/x.conf", "/etc/x"} {
			clean, found := r.File(path, text)
			require.Equal(t, text, clean)
			require.Empty(t, found, text)
		}
	}
	pam := "password\t[success=1 default=ignore]\tpam_unix.so obscure use_authtok try_first_pass yescrypt\n"
	clean, _ := r.File("/etc/pam.d/common-password", pam)
	require.Equal(t, pam, clean)
}

// Stock configuration of this machine's packages has no secrets.
func TestFalseAlarmsOfStockFiles(t *testing.T) {
	r := New(key)
	var alarms []string
	for _, root := range []string{"/etc/default", "/etc/init.d", "/etc/pam.d", "/etc/ssh", "/etc/security", "/etc/cron.daily", "/etc/logrotate.d", "/usr/lib/systemd/system", "/usr/lib/sysctl.d", "/usr/lib/tmpfiles.d"} {
		_ = filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() || strings.Contains(path, "ssh_host") {
				return nil //nolint:nilerr // some of them do not exist
			}
			text, err := os.ReadFile(path)
			if err != nil || !utf8.Valid(text) {
				return nil //nolint:nilerr // not a readable text
			}
			_, found := r.File(path, string(text))
			for _, f := range found {
				alarms = append(alarms, path+": "+strings.Split(string(text), "\n")[f.Line-1])
			}
			return nil
		})
	}
	require.Less(t, len(alarms), 5, "%s", strings.Join(alarms, "\n"))
}

func TestTokens(t *testing.T) {
	r, other := New(key), New(bytes.Repeat([]byte("o"), KeySize))
	require.Equal(t, r.Token("a"), r.Token("a"))
	require.NotEqual(t, r.Token("a"), r.Token("b"))
	require.NotEqual(t, r.Token("a"), other.Token("a"))
	require.True(t, isToken(r.Token("a")))
	require.False(t, isToken(r.Token("a")+"x"))
	require.NotContains(t, r.Hash("a"), r.Token("a"))
	require.NoError(t, Ready())
}

func TestKnownSecretIsFoundElsewhere(t *testing.T) {
	r := New(key)
	r.File("/etc/x.ini", "password = correct-horse-7\n")
	clean, _ := r.Command("echo correct-horse-7 >/dev/null")
	require.NotContains(t, clean, "correct-horse-7")
	require.NotEmpty(t, r.Leaks("see correct-horse-7"))
	r.File("/etc/y.ini", "password = wordpress\n") // a common word, not remembered
	clean, _ = r.Command("systemctl restart wordpress")
	require.Contains(t, clean, "wordpress")
}

func FuzzFile(f *testing.F) {
	for i, s := range planted.All() {
		if i%planted.Variants == 0 {
			f.Add(s.Path, s.Text)
		}
	}
	r := New(key)
	f.Fuzz(func(t *testing.T, path, text string) {
		clean, found := r.File(path, text)
		if len(found) == 0 && clean != text {
			t.Fatalf("%q became %q, and nothing was found", text, clean)
		}
	})
}

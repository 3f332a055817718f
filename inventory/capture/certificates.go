package capture

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/inventory"
)

// certificates reads records of a path and the certificates in that file.
func (p *parser) certificates(text string) error {
	for _, r := range records(text, 2) {
		block, _ := pem.Decode([]byte(r[1]))
		if block == nil {
			p.addMissing(inventory.Missing{What: r[0], Reason: inventory.Failed, Detail: "no certificate in it can be read"})
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			p.addMissing(inventory.Missing{What: r[0], Reason: inventory.Failed, Detail: lastLine(err.Error())})
			continue
		}
		if c.IsCA && p.owner(r[0]) != "" {
			continue // a trusted authority that a package installed
		}
		sum := sha256.Sum256(c.Raw)
		cert := inventory.Certificate{
			File: inventory.Text(r[0]), Subject: c.Subject.String(), Issuer: c.Issuer.String(), Names: slices.Clone(c.DNSNames),
			From: c.NotBefore.UTC().Format(time.RFC3339), Until: c.NotAfter.UTC().Format(time.RFC3339),
			SHA256: hex.EncodeToString(sum[:]), SelfMade: c.Issuer.String() == c.Subject.String(),
		}
		for _, ip := range c.IPAddresses {
			cert.Names = append(cert.Names, ip.String())
		}
		p.host.Certificates = append(p.host.Certificates, cert)
	}
	slices.SortFunc(p.host.Certificates, func(a, b inventory.Certificate) int { return cmp.Compare(a.File, b.File) })
	return nil
}

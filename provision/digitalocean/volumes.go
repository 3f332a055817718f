package digitalocean

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/digitalocean/godo"

	"github.com/dcmigrate/migrate/provision"
)

// Volumes lists the volumes of a region.
func (c *Client) Volumes(ctx context.Context, region string) ([]provision.Volume, error) {
	all, err := list(ctx, func(ctx context.Context, o *godo.ListOptions) ([]godo.Volume, *godo.Response, error) {
		return c.api.Storage.ListVolumes(ctx, &godo.ListVolumeParams{Region: region, ListOptions: o})
	})
	out := make([]provision.Volume, len(all))
	for i, v := range all {
		out[i] = provision.Volume{ID: v.ID, Name: v.Name, Region: region, GiB: int(v.SizeGigaBytes)}
	}
	return out, err
}

// CreateVolume makes a volume with an ext4 filesystem.
func (c *Client) CreateVolume(ctx context.Context, v provision.Volume) error {
	_, resp, err := c.api.Storage.CreateVolume(ctx, &godo.VolumeCreateRequest{
		Name: v.Name, Region: v.Region, SizeGigaBytes: int64(v.GiB), FilesystemType: "ext4", Description: "made by migrate",
	})
	return explain(resp, err)
}

// DeleteVolume deletes a volume. While a droplet has it, the error wraps provision.ErrInUse.
func (c *Client) DeleteVolume(ctx context.Context, id string) error {
	resp, err := c.api.Storage.DeleteVolume(ctx, id)
	err = ignoreNotFound(explain(resp, err))
	var answer *APIError
	if errors.As(err, &answer) && (answer.Status == http.StatusConflict || answer.Status == http.StatusUnprocessableEntity) {
		return fmt.Errorf("%w: %w", provision.ErrInUse, err)
	}
	return err
}

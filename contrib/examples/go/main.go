// Numbers from Go, with redigo.
//
// With Debian's package golang-github-gomodule-redigo-dev:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run main.go [HOST:PORT]
//
// With modules: go mod init example && go get github.com/gomodule/redigo/redis && go run .
package main

import (
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/gomodule/redigo/redis"
)

func main() {
	address := "127.0.0.1:6380"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	if err := run(address); err != nil {
		log.Fatal(err)
	}
}

func run(address string) error {
	conn, err := redis.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()

	// Defining again with the same fields changes nothing, so this can run at every start.
	fields, err := redis.Int(conn.Do("HSET", "user_id", "type", "1", "length", "7"))
	if err != nil {
		return err
	}
	fmt.Println("HSET user_id:", fields)
	fields, err = redis.Int(conn.Do("HSET", "order_id", "type", "2", "length", "12",
		"starting", "100000000000", "auto_disk", "pre_close"))
	if err != nil {
		return err
	}
	fmt.Println("HSET order_id:", fields)

	// Numbers are text: a number of type 2 keeps its zeros on the left.
	for _, name := range []string{"user_id", "order_id", "order_id", "order_id"} {
		number, err := redis.String(conn.Do("GET", name))
		if err != nil {
			return err
		}
		fmt.Printf("GET %s: %s\n", name, number)
	}
	if err := pipeline(conn); err != nil {
		return err
	}

	info, err := redis.String(conn.Do("INFO", "order_id"))
	if err != nil {
		return err
	}
	fmt.Println("INFO order_id:",
		line(info, "current"), line(info, "auto_disk"), line(info, "waste_rate"))

	// Only because this is an example: a dispenser in use is not deleted.
	deleted, err := redis.Int(conn.Do("DEL", "user_id", "order_id"))
	if err != nil {
		return err
	}
	fmt.Println("DEL:", deleted)
	return nil
}

// pipeline draws many numbers in one round trip.
func pipeline(conn redis.Conn) error {
	const count = 3
	for i := 0; i < count; i++ {
		if err := conn.Send("GET", "order_id"); err != nil {
			return err
		}
	}
	if err := conn.Flush(); err != nil {
		return err
	}
	numbers := make([]string, count)
	for i := range numbers {
		number, err := redis.String(conn.Receive())
		if err != nil {
			return err
		}
		numbers[i] = number
	}
	fmt.Println("pipeline:", strings.Join(numbers, " "))
	return nil
}

// line returns the value of one of the key:value lines of an INFO reply.
func line(info, key string) string {
	for _, line := range strings.Split(info, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, key+":") {
			return strings.TrimPrefix(line, key+":")
		}
	}
	return ""
}

// Usage: redigo SCENARIO PORT NAME (see ../../scenarios.py).
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"

	"github.com/gomodule/redigo/redis"
)

var address, name string

func require(ok bool, what ...interface{}) {
	if !ok {
		fmt.Println(append([]interface{}{"failed:"}, what...)...)
		os.Exit(1)
	}
}

func dial(options ...redis.DialOption) redis.Conn {
	conn, err := redis.Dial("tcp", address, options...)
	require(err == nil, err)
	return conn
}

func do(conn redis.Conn, command string, args ...interface{}) string {
	reply, err := conn.Do(command, args...)
	require(err == nil, command, err)
	if number, ok := reply.(int64); ok {
		return fmt.Sprint(number)
	}
	text, err := redis.String(reply, err)
	require(err == nil, command, err)
	return text
}

func refused(conn redis.Conn, text, command string, args ...interface{}) {
	_, err := conn.Do(command, args...)
	require(err != nil && strings.Contains(err.Error(), text), command, err)
}

func exchange(conn redis.Conn) {
	require(do(conn, "HSET", name, "type", 2, "length", 5) == "2", "HSET")
	require(do(conn, "GET", name) == "00000", "GET")
	require(strings.Contains(do(conn, "INFO", name), "generated:1"), "INFO")
	refused(conn, "dispenser not found", "GET", "no-such")
	require(do(conn, "DEL", name) == "1", "DEL")
}

func pool() {
	pool := &redis.Pool{MaxActive: 4, Wait: true,
		Dial: func() (redis.Conn, error) { return redis.Dial("tcp", address) }}
	defer pool.Close()
	do(pool.Get(), "HSET", name, "type", 3)
	numbers := make([]int, 200)
	var group sync.WaitGroup
	for i := range numbers {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			conn := pool.Get()
			defer conn.Close()
			numbers[i], _ = redis.Int(conn.Do("GET", name))
		}(i)
	}
	group.Wait()
	sort.Ints(numbers)
	for i, number := range numbers {
		require(i == number, "a number came twice:", numbers)
	}
}

func pipeline() {
	conn := dial()
	do(conn, "HSET", name, "type", 3)
	for i := 0; i < 1000; i++ {
		require(conn.Send("GET", name) == nil, "Send")
	}
	require(conn.Flush() == nil, "Flush")
	for i := 0; i < 1000; i++ {
		number, err := redis.Int(conn.Receive())
		require(err == nil && number == i, "order", i, number, err)
	}
}

func transaction() {
	conn := dial()
	do(conn, "HSET", name, "type", 3)
	conn.Send("MULTI")
	conn.Send("GET", name)
	conn.Send("INCR", name)
	numbers, err := redis.Ints(conn.Do("EXEC"))
	require(err == nil && numbers[0] == 0 && numbers[1] == 1, numbers, err)
}

func reconnect() {
	pool := &redis.Pool{MaxIdle: 1,
		Dial: func() (redis.Conn, error) { return redis.Dial("tcp", address) }}
	defer pool.Close()
	conn := pool.Get()
	do(conn, "HSET", name, "type", 3)
	require(do(conn, "GET", name) == "0", "GET")
	conn.Close() // back to the pool, which will find it broken
	fmt.Println("restart")
	bufio.NewReader(os.Stdin).ReadString('\n')
	conn = pool.Get()
	_, err := conn.Do("GET", name)
	require(err != nil, "the connection is lost")
	conn.Close()
	require(do(pool.Get(), "GET", name) == "1", "GET after the restart")
}

func auth() {
	refused(dial(), "NOAUTH", "PING")
	_, err := redis.Dial("tcp", address, redis.DialPassword("wrong"))
	require(err != nil && strings.Contains(err.Error(), "WRONGPASS"), err)
	require(do(dial(redis.DialPassword(os.Getenv("SECRET"))), "PING") == "PONG", "PING")
}

func aclUser() {
	conn := dial(redis.DialUsername("app"), redis.DialPassword(os.Getenv("APP_SECRET")))
	require(do(conn, "GET", name) == "0", "GET")
	refused(conn, "NOPERM", "HSET", name, "auto_disk", "pre_close")
}

func encrypted() {
	certificate, err := os.ReadFile(os.Getenv("CA"))
	require(err == nil, err)
	roots := x509.NewCertPool()
	require(roots.AppendCertsFromPEM(certificate), "the certificate")
	exchange(dial(redis.DialUseTLS(true), redis.DialTLSConfig(&tls.Config{RootCAs: roots})))
}

func main() {
	address, name = "127.0.0.1:"+os.Args[2], os.Args[3]
	scenarios := map[string]func(){
		"connect": func() { exchange(dial()) }, "pool": pool, "pipeline": pipeline,
		"transaction": transaction, "reconnect": reconnect, "AUTH": auth, "ACL user": aclUser,
		"TLS": encrypted,
	}
	scenarios[os.Args[1]]()
	fmt.Println("ok")
}
